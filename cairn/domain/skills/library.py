"""The skills of an installation: the folders under its root, as they are at the moment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cairn.domain.skills.document import LARGEST, FrontMatter, SkillRefused, is_name, read_front_matter, split
from cairn.domain.skills.files import MOST_FILES, OpenFile, SkillFile, files_of, is_shown, open_file
from cairn.errors import NotFound

DOCUMENT = "SKILL.md"


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill.

    Attributes:
        about: what it says of itself.
        body: its instructions.
        files: all its files, ``SKILL.md`` too.
    """

    about: FrontMatter
    body: str
    files: list[SkillFile]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A folder with a ``SKILL.md`` that is no skill by the standard.

    Attributes:
        folder: its name.
        reason: why not.
    """

    folder: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skills:
    """What was found under a root, by name."""

    skills: list[Skill]
    skipped: list[Skipped]


class SkillLibrary:
    """Finds skills. All tenants of the installation have the same."""

    def __init__(self, root: Path) -> None:
        """Take the folder that has a folder for each skill; it need not exist."""
        self._root = root

    async def all(self) -> Skills:
        """Return all skills, and the folders that wanted to be one."""
        return await asyncio.to_thread(self.found)

    async def assigned(self, names: Sequence[str]) -> Skills:
        """Return the skills of some names, by name; of those that there are not, why not."""
        found = await self.all()
        known = {each.about.name for each in found.skills} | {each.folder for each in found.skipped}
        missing = [Skipped(name, "there is no such folder") for name in names if name not in known]
        return Skills(
            [each for each in found.skills if each.about.name in names],
            [*(each for each in found.skipped if each.folder in names), *missing],
        )

    async def get(self, name: str) -> Skill:
        """Return a skill.

        Raises:
            NotFound: there is none of this name (``skill_not_found``).
        """
        return await asyncio.to_thread(self._get, name)

    async def open(self, name: str, path: str) -> OpenFile:
        """Open a file of a skill.

        Raises:
            NotFound: there is no such skill, or it has no such file (``skill_file_not_found``).
            InvalidInput: the path leads elsewhere.
        """
        return await asyncio.to_thread(self._open, name, path)

    def found(self) -> Skills:
        """Return what :meth:`all` returns, to a caller who may wait for files."""
        found = Skills([], [])
        try:
            names = sorted(entry.name for entry in self._root.iterdir() if is_shown(entry.name))
        except OSError:  # no folder, no skills; `cairn doctor` tells of one that is set and missing
            return found
        for name in names:
            try:
                read = self._read(name)
                if read is not None:
                    found.skills.append(read.with_files())
            except SkillRefused as error:
                found.skipped.append(Skipped(name, str(error)))
        return found

    def _get(self, name: str) -> Skill:
        try:
            return self._named(name).with_files()
        except SkillRefused:
            raise _no_skill() from None

    def _open(self, name: str, path: str) -> OpenFile:
        return open_file(self._named(name).folder, path)

    def _named(self, name: str) -> _Read:
        try:
            found = self._read(name) if is_name(name) else None
        except SkillRefused:  # the list says why
            found = None
        if found is None:
            raise _no_skill()
        return found

    def _read(self, name: str) -> _Read | None:
        """Return what the document in a folder says, None where there is none.

        Raises:
            SkillRefused: there is one, and it is not by the standard.
        """
        if not os.path.exists(self._root / name / DOCUMENT):  # unlike Path's, it is false also where it may not look
            return None
        folder = (self._root / name).resolve()
        if not folder.is_relative_to(self._root.resolve()):
            raise SkillRefused("the folder is a link that leads out of the root")
        front_matter, body = split(_text(folder))
        about = read_front_matter(front_matter)
        if about.name != name:
            raise SkillRefused("the name is not that of the folder")
        return _Read(folder, about, body)


@dataclass(frozen=True, slots=True)
class _Read:
    folder: Path
    about: FrontMatter
    body: str

    def with_files(self) -> Skill:
        files = files_of(self.folder)
        if len(files) > MOST_FILES:
            raise SkillRefused(f"it has more than {MOST_FILES} files")
        return Skill(self.about, self.body, files)


def _no_skill() -> NotFound:
    return NotFound("No such skill.", code="skill_not_found")


def _text(folder: Path) -> str:
    try:
        document = open_file(folder, DOCUMENT)
    except NotFound:
        raise SkillRefused("SKILL.md cannot be read, or is a link that leads out of the folder") from None
    with document.file as file:
        if document.size > LARGEST:
            raise SkillRefused(f"SKILL.md has more than {LARGEST} bytes")
        try:
            return file.read(LARGEST).decode()
        except UnicodeDecodeError:
            raise SkillRefused("SKILL.md is not UTF-8") from None
