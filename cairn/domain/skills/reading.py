"""What models are told of skills."""

from __future__ import annotations

from collections.abc import Sequence

from cairn.domain.skills.library import Skill

READ_SKILL = "read_skill"
"""Name of the tool by which models load skills."""


def told(skills: Sequence[Skill]) -> str:
    """Return what a model is told of skills before it has loaded any; nothing where there are none."""
    if not skills:
        return ""
    lines = [f"- {each.about.name}: {' '.join(each.about.description.split())}" for each in skills]
    begin = f"Before you do what one of these skills is for, load its playbook with {READ_SKILL}, and follow it."
    inside = "\n".join([begin, *lines]).replace("</skills", "<\\/skills")
    return f"<skills>{inside}</skills>"
