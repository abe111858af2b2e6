"""What agents are given to read, cut into passages, and those of them that bear on a query."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cairn.contracts.json import Json, JsonObject
from cairn.domain.context import AgentBlocks
from cairn.domain.prompt_blocks import PromptBlockService
from cairn.domain.skills import SkillLibrary
from cairn.domain.tools.library import Article, Library
from cairn.errors import CairnError, NotFound
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database

LONGEST = 1_200
"""Characters of a passage, unless a single line is longer."""
LARGEST_FILE = 1024 * 1024
"""Bytes of a file that is searched; larger ones are left out."""
LARGEST = 16 * 1024 * 1024
"""Characters of all that one search reads; what comes after it is left out."""
_HEADING = re.compile(r"#{1,6}\s+(.+)")


@dataclass(frozen=True, slots=True)
class Text:
    """A text to search: a file of a skill, or the body of a prompt block."""

    source: str
    title: str
    content: str
    metadata: JsonObject


class Passages:
    """Searches the skills of an installation and the prompt blocks of its tenants."""

    def __init__(self, database: Database, skills: SkillLibrary) -> None:
        """Take where both are."""
        self._database = database
        self._skills = skills

    async def find(
        self, scope: Scope, query: str, skills: Sequence[str], blocks: AgentBlocks, top_k: int
    ) -> list[JsonObject]:
        """Return the passages that hold words of the query, best first (BM25).

        Args:
            scope: whose prompt blocks.
            query: in plain words.
            skills: names; those that there are not are left out.
            blocks: prompt blocks; the same with those that its agent's turns do not have.
            top_k: so many at most.

        Raises:
            Unavailable: the database does not answer.
        """
        texts = await self._bodies(scope, blocks)
        for name in dict.fromkeys(skills):
            texts += await self._files(name)
        return await asyncio.to_thread(_best, texts, query, top_k)

    async def _bodies(self, scope: Scope, blocks: AgentBlocks) -> list[Text]:
        found: list[Text] = []
        async with self._database.session() as session:
            service = PromptBlockService(session, scope)
            for name in dict.fromkeys(blocks.names):
                try:
                    block = await service.get(name)
                except NotFound:
                    continue
                if block.body is not None and block.enabled and blocks.may_have(block):
                    found.append(Text("prompt_block", name, block.body, {"block": name}))
        return found

    async def _files(self, name: str) -> list[Text]:
        try:
            skill = await self._skills.get(name)
        except NotFound:
            return []
        found = [Text("skill", name, f"{skill.about.description}\n\n{skill.body}", _of_skill(name, "SKILL.md"))]
        for each in skill.files:
            if each.path == "SKILL.md" or "charset=utf-8" not in each.type or each.size > LARGEST_FILE:
                continue
            try:
                file = await self._skills.open(name, each.path)
            except CairnError:  # gone meanwhile
                continue
            content = b"".join(await asyncio.to_thread(list, file.chunks())).decode(errors="replace")
            found.append(Text("skill", f"{name}/{each.path}", content, _of_skill(name, each.path)))
        return found


def _of_skill(name: str, path: str) -> JsonObject:
    return {"skill": name, "path": path}


def _best(texts: Iterable[Text], query: str, top_k: int) -> list[JsonObject]:
    documents: dict[str, JsonObject] = {}
    left = LARGEST
    for text in texts:
        left -= len(text.content)
        if left < 0:
            break
        for number, (heading, content) in enumerate(passages_of(text.content)):
            place = "/".join(str(each) for each in text.metadata.values())
            title = f"{text.title}: {heading}" if heading else text.title
            made: dict[str, Json] = {"source": text.source, "title": title, "content": content}
            documents[f"{text.source}/{place}#{number}"] = {**made, "metadata": {**text.metadata, "passage": number}}
    library = Library(Article(key, str(each["title"]), str(each["content"])) for key, each in documents.items())
    try:
        hits = library.search(query, top_k)
    finally:
        library.close()
    return [{"id": hit.id, **documents[hit.id], "score": hit.score} for hit in hits]


def passages_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield the passages of a text with the heading that each stands under: paragraphs, as many as fit."""
    heading, passage = "", ""
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        paragraph = block.strip("\n")
        if not paragraph.strip():
            continue
        begun = _HEADING.match(paragraph)
        if passage and (begun or len(passage) + len(paragraph) > LONGEST):
            yield heading, passage
            passage = ""
        if begun:
            heading = begun[1].partition("\n")[0].strip()
        for part in _parts(paragraph):
            if passage and len(passage) + len(part) > LONGEST:
                yield heading, passage
                passage = ""
            passage = f"{passage}\n\n{part}" if passage else part
    if passage:
        yield heading, passage


def _parts(paragraph: str) -> Iterator[str]:
    """Yield a paragraph, one that is long line by line."""
    part = ""
    for line in paragraph.split("\n"):
        if part and len(part) + len(line) > LONGEST:
            yield part
            part = ""
        part = f"{part}\n{line}" if part else line
    yield part
