"""Skills as agentflow shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cairn.domain import skills as domain


class SkillFile(BaseModel):
    """A file of a skill."""

    model_config = ConfigDict(from_attributes=True)

    path: str = Field(description="From the skill's folder.")
    type: str = Field(description="Media type.")
    size: int = Field(description="In bytes.")


class SkillSummary(BaseModel):
    """A skill as its front matter describes it."""

    name: str
    description: str
    license: str | None
    compatibility: str | None
    metadata: dict[str, str]
    allowed_tools: str | None = Field(description="As `allowed-tools` of the standard: separated by blanks.")
    files: list[SkillFile]

    @staticmethod
    def members(skill: domain.Skill) -> dict[str, Any]:
        """Return the members of a skill."""
        files = [SkillFile.model_validate(each) for each in skill.files]
        return {**skill.about.model_dump(), "files": files}


class Skill(SkillSummary):
    """A skill with its instructions."""

    body: str = Field(description="The instructions: `SKILL.md` without its front matter.")

    @classmethod
    def of(cls, skill: domain.Skill) -> Skill:
        """Make it of what the domain found."""
        return cls(**cls.members(skill), body=skill.body)


class SkippedFolder(BaseModel):
    """A folder with a `SKILL.md` that is no skill by the standard."""

    model_config = ConfigDict(from_attributes=True)

    folder: str
    reason: str


class SkillList(BaseModel):
    """A page of skills by name."""

    skills: list[SkillSummary]
    total: int
    page: int
    page_size: int
    skipped: list[SkippedFolder] = Field(description="Folders that want to be skills and are not, with the reason.")

    @classmethod
    def of(cls, found: domain.Skills, page: int, page_size: int) -> SkillList:
        """Make the page of what the domain found."""
        shown = found.skills[(page - 1) * page_size : page * page_size]
        return cls(
            skills=[SkillSummary(**SkillSummary.members(each)) for each in shown],
            total=len(found.skills),
            page=page,
            page_size=page_size,
            skipped=[SkippedFolder.model_validate(each) for each in found.skipped],
        )
