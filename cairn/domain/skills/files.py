"""The files of a skill, read so that nothing outside of its folder ever is.

A path is followed to the file that it really is, and that must lie in the skill's own folder; links inside of it are
followed, as the volumes of container platforms are made of them. Hidden files are none of a skill's.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from mimetypes import MimeTypes
from pathlib import Path
from typing import BinaryIO

from cairn.errors import InvalidInput, NotFound

PATH = r"[^./\\\x00][^/\\\x00]*(/[^./\\\x00][^/\\\x00]*)*"
"""What a path from a skill's folder looks like: parts with slashes between, none hidden or leading up."""

MOST_FILES = 1000
"""Files of a skill."""
_CHUNK = 256 * 1024
_HEAD = 4096
# A device or a pipe in the place of a file would be waited for, and a link put there meanwhile would be followed.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)

# The library's own table: what the machine has besides would differ from one process to the next.
_TYPES = MimeTypes()
for _extension, _known in {
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".toml": "application/toml",
    ".ts": "text/typescript",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}.items():
    _TYPES.add_type(_known, _extension)
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_TEXTUAL = frozenset(
    {"application/json", "application/jsonl", "application/toml", "application/yaml", "application/xml",
     "application/x-sh", "application/javascript"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SkillFile:
    """A file of a skill.

    Attributes:
        path: from the skill's folder, with slashes.
        type: media type.
        size: in bytes.
    """

    path: str
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that is being read."""

    file: BinaryIO
    type: str
    size: int

    def chunks(self) -> Iterator[bytes]:
        """Give its bytes, as many as it had when it was opened, and close it."""
        left = self.size
        with self.file:
            while left and (chunk := self.file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk


def files_of(folder: Path) -> list[SkillFile]:
    """Return the files of a skill by path, the first :data:`MOST_FILES` + 1 that are found."""
    found: list[SkillFile] = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if is_shown(name))
        for name in sorted(filter(is_shown, names)):
            path = (Path(where) / name).relative_to(folder).as_posix()
            try:
                with open_file(folder, path).file as file:
                    found.append(SkillFile(path, _type(path, file.read(_HEAD)), os.fstat(file.fileno()).st_size))
            except NotFound:  # a link that leads out, a pipe, or gone meanwhile
                continue
            if len(found) > MOST_FILES:
                return found
    return sorted(found, key=lambda file: file.path)


def open_file(folder: Path, path: str) -> OpenFile:
    """Open a file of a skill.

    Args:
        folder: the skill's, with all links resolved.
        path: from there, as a caller has said it.

    Raises:
        InvalidInput: the path leads elsewhere by what it says.
        NotFound: there is no such file, or it really lies elsewhere (``skill_file_not_found``).
    """
    if not re.fullmatch(PATH, path):
        raise InvalidInput("The path does not lead from the skill's folder to a file in it.")
    missing = NotFound("The skill has no such file.", code="skill_file_not_found")
    if not path.isprintable():
        raise missing
    try:
        real = (folder / path).resolve(strict=True)
        if not real.is_relative_to(folder):
            raise missing
        descriptor = os.open(real, _READ)
    except (OSError, ValueError, RuntimeError):
        raise missing from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise missing
    file = os.fdopen(descriptor, "rb", buffering=0)
    head = file.read(_HEAD)
    file.seek(0)
    return OpenFile(file, _type(path, head), status.st_size)


def is_shown(name: str) -> bool:
    """Tell whether a file or folder counts: hidden ones do not, nor those whose names cannot be shown."""
    return not name.startswith(".") and name.isprintable()


def _type(path: str, head: bytes) -> str:
    """Return the media type of a file by its name, else by how it begins; texts in UTF-8 say so."""
    known, compression = _TYPES.guess_type(path)
    if compression:
        return _COMPRESSED.get(compression, "application/octet-stream")
    text = _is_text(head)
    known = known or ("text/plain" if text else "application/octet-stream")
    return f"{known}; charset=utf-8" if text and (known.startswith("text/") or known in _TEXTUAL) else known


def _is_text(head: bytes) -> bool:
    try:
        # A character may be cut in two where a head ends that is not the whole file.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < _HEAD)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head
