"""Uploads as callers see them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from cairn.persistence.tables import UploadRow

MAX_SIZE = 10 * 1024 * 1024
"""Bytes a file may have."""

LIFETIME = timedelta(minutes=30)
"""So long holds the link of an upload."""

_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that is expected.

    Attributes:
        file_key: its name from now on.
        expires_at: until when it may be sent.
        signature: proves that this server allowed it.
    """

    file_key: str
    expires_at: datetime
    signature: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is there."""

    file_key: str
    content_type: str
    size: int

    @classmethod
    def of(cls, row: UploadRow) -> Upload:
        """Make it of its row."""
        return cls(row.file_key, row.content_type, row.size or 0)


def safe_name(filename: str) -> str:
    """Return a file's name without folders, and with letters, digits, ``.``, ``_`` and ``-`` of ASCII alone."""
    last = re.split(r"[/\\]", filename)[-1]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    stem, dot, suffix = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.").rpartition(".")
    if not dot or len(suffix) > 10:
        stem, suffix = stem + dot + suffix, ""
    name = stem.strip("-.")[: _MAX_NAME - len(suffix)] or "file"
    return f"{name}.{suffix}" if suffix else name


def media_type(content_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
