"""The tool by which models load skills."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from cairn.contracts.json import JsonObject
from cairn.domain.skills import SkillLibrary
from cairn.domain.skills.library import DOCUMENT
from cairn.domain.skills.reading import READ_SKILL
from cairn.domain.tools.tool import Tool, ToolError, tool
from cairn.errors import CairnError

LARGEST_READ = 200_000
"""Bytes of a file that a model may read."""


def skill_reader(library: SkillLibrary) -> Tool:
    """Return the tool that reads the skills of a library."""

    @tool(name=READ_SKILL, repeatable=True)
    async def read_skill(
        skill: Annotated[str, Field(max_length=64, description="The skill's name.")],
        path: Annotated[
            str, Field(max_length=1024, description="A file of the skill; left out, its instructions are read.")
        ] = DOCUMENT,
    ) -> JsonObject:
        """Load the playbook of a skill by its name, or a file that the playbook points to."""
        try:
            found = await library.get(skill)
            if path == DOCUMENT:
                paths = [each.path for each in found.files if each.path != DOCUMENT]
                return {"skill": skill, "instructions": found.body, "files": paths}
            return {"skill": skill, "path": path, "content": await _text(library, skill, path)}
        except CairnError as error:
            raise ToolError(error.message, retryable=False, code=error.code) from error

    return read_skill


async def _text(library: SkillLibrary, skill: str, path: str) -> str:
    file = await library.open(skill, path)
    if file.size > LARGEST_READ:
        file.file.close()
        message = f"The file has {file.size} bytes, over the limit of {LARGEST_READ}"
        raise ToolError(message, retryable=False, code="file_too_large")
    content = b"".join(await asyncio.to_thread(list, file.chunks()))
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ToolError("The file is no text", retryable=False, code="not_a_text") from None
