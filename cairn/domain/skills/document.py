"""``SKILL.md``: what the Agent Skills standard says of a skill, and its instructions.

What is accepted here, the standard's reference validator (``skills-ref``) accepts: the front matter is read by the same
library, which takes every value as the text that is written, and unknown members are refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, cast

import strictyaml  # pyright: ignore[reportMissingTypeStubs]
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cairn.errors import plain_message

LARGEST = 1024 * 1024
"""Bytes of a ``SKILL.md``."""
_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
_LARGEST_FRONT_MATTER = 16_384
_FENCED = re.compile(r"---[ ]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class SkillRefused(ValueError):
    """A folder that is no skill by the standard; the message is for its author and holds no path."""


class FrontMatter(BaseModel):
    """What a skill says of itself.

    Attributes:
        name: the same as its folder's.
        description: what it does, and when to use it.
        license: of the skill.
        compatibility: what it needs around it.
        metadata: anything else.
        allowed_tools: the tools that it may use, separated by blanks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, StringConstraints(pattern=f"^{_NAME}$", max_length=64)]
    description: Annotated[str, StringConstraints(pattern=r"\S", max_length=1024)]
    license: str | None = None
    compatibility: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    metadata: dict[str, str] = Field(default_factory=dict[str, str])
    allowed_tools: str | None = Field(default=None, alias="allowed-tools")


def is_name(text: str) -> bool:
    """Tell whether a skill can have this name."""
    return len(text) <= 64 and re.fullmatch(_NAME, text) is not None


@lru_cache(maxsize=512)
def read_front_matter(text: str) -> FrontMatter:
    """Return what the front matter of a skill says.

    Raises:
        SkillRefused: it is not by the standard.
    """
    try:
        data = cast("Any", strictyaml.load(text)).data
    except Exception as error:  # also others than its own: an unprintable character makes its reader raise anything
        raise SkillRefused(f"the front matter is not plain YAML: {_problem(error)}") from None
    try:
        return FrontMatter.model_validate(data)
    except ValidationError as error:
        wrong = (
            ".".join(map(str, each["loc"])) + ": " + plain_message(cast("dict[str, Any]", each))
            for each in error.errors(include_url=False, include_input=False)
        )
        raise SkillRefused("; ".join(wrong).removeprefix(": ")) from None


def split(text: str) -> tuple[str, str]:
    """Return the front matter and the instructions below it.

    Raises:
        SkillRefused: there is no front matter between two lines ``---``, or it is too long.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = _FENCED.match(text)
    if found is None:
        raise SkillRefused("SKILL.md does not begin with front matter between two lines ---")
    if "---" in found[1]:
        raise SkillRefused("the front matter has --- within")
    if len(found[1]) > _LARGEST_FRONT_MATTER:
        raise SkillRefused(f"the front matter has more than {_LARGEST_FRONT_MATTER} characters")
    return found[1], text[found.end() :].strip()


def _problem(error: Any) -> str:
    """Return what is wrong and in which line, without the text around it."""
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or "it cannot be read"
    mark = getattr(error, "problem_mark", None)
    return f"{str(problem).partition(chr(10))[0]}" + (f" (line {mark.line + 1})" if mark is not None else "")
