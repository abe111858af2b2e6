"""The tools by which a model takes the edges of a node: their names, and which edge a name means."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from cairn.graph.compiled import Way

_MAX_NAME = 64
"""Characters of a tool's name, as providers of models have it; they take letters, digits, ``_`` and ``-``."""
_STEM = 40
_END_OF_LATIN = 0x250


def transition_name(label: str) -> str:
    """Return the name of the tool by which a model takes the edge with this label.

    It is the label in lower case with ``_`` for what is no letter or digit. Labels that this would not tell apart,
    because they are long or their letters are not Latin, have a digest at the end.
    """
    plain = _plain_name(label)
    if len(plain) <= _MAX_NAME and re.search(r"[a-z0-9]", plain) and not any(map(_is_foreign, label)):
        return plain
    stem = re.sub(r"_+", "_", plain)[:_STEM].strip("_")
    stem = stem if stem[:1].isalpha() else f"w_{stem}".strip("_")  # some providers want a letter first
    told = unicodedata.normalize("NFC", label.strip().lower())
    return f"{stem}-{hashlib.sha256(told.encode(errors='surrogatepass')).hexdigest()[:8]}"


def way_named(ways: Sequence[Way], name: str) -> Way | None:
    """Return the edge that a model took; its turn may have begun when no name had a digest."""
    named = {transition_name(way.label): way for way in ways}
    return named.get(name) or {_plain_name(way.label)[:_MAX_NAME]: way for way in ways}.get(name)


def _plain_name(label: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", label.strip().lower())


def _is_foreign(character: str) -> bool:
    """Whether it is a letter or digit, and neither ASCII's nor a Latin letter."""
    if ord(character) < _END_OF_LATIN or unicodedata.name(character, "").startswith("LATIN"):
        return False
    return unicodedata.category(character)[0] == "L" or unicodedata.category(character) == "Nd"
