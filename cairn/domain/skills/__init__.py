"""Skills by the open Agent Skills standard: folders of instructions and files, loaded when they are needed."""

from cairn.domain.skills.files import PATH, OpenFile, SkillFile
from cairn.domain.skills.library import Skill, SkillLibrary, Skills, Skipped

__all__ = ["PATH", "OpenFile", "Skill", "SkillFile", "SkillLibrary", "Skills", "Skipped"]
