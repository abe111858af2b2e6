"""Names of HTTP headers."""

from __future__ import annotations

import re

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def wrong_header_name(name: str) -> str | None:
    """Say why no header can have a name; None when one can."""
    if not name.strip():
        return "Header name is required"
    if not _NAME.fullmatch(name):
        return "Header name can have only letters, digits and !#$%&'*+-.^_`|~"
    return None
