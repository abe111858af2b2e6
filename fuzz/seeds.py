"""What fuzzing begins with: the graphs of the examples and the guides, and what stands in them.

From nothing at all it would not come past the JSON parser within a day.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.histories import DAMAGE, HISTORIES

_ROOT = Path(__file__).parents[1]
_GRAPHS = re.compile(r"^```json graph\n(.*?)^```", re.M | re.S)
_EXPRESSIONS = ("expression", "items", "condition")
_OF_EXPRESSIONS = ("arguments", "output", "set", "input")
_PIECE = 20
"""Events that are read at once."""


def write(name: str, folder: Path) -> None:
    """Write the seeds of a target into a folder, each under a name of its own, beside what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in BY_NAME[name]():
        (folder / hashlib.sha256(seed).hexdigest()[:32]).write_bytes(seed)


def validator() -> Iterator[bytes]:
    """Yield definitions of graphs."""
    for path in sorted((_ROOT / "examples").glob("*.json")):
        yield path.read_bytes()
    for path in sorted((_ROOT / "docs").glob("*.md")):
        yield from (found.encode() for found in _GRAPHS.findall(path.read_text()))


def expressions() -> Iterator[bytes]:
    """Yield the expressions of those graphs."""
    for name, value in _members():
        if name in _EXPRESSIONS and isinstance(value, str):
            yield value.encode()
        if name in _OF_EXPRESSIONS and isinstance(value, dict):
            yield from (each.encode() for each in value.values() if isinstance(each, str))


def templates() -> Iterator[bytes]:
    """Yield the texts of those graphs that name something."""
    yield from (value.encode() for _, value in _members() if isinstance(value, str) and "{" in value)


def projection() -> Iterator[bytes]:
    """Yield every stored history, read in pieces; and damaged in its middle in each way."""
    for number, history in enumerate(HISTORIES):
        pieces = len(history.events) // _PIECE + 1
        yield bytes([number, *[0, _PIECE] * pieces])
        for damage in range(1, len(DAMAGE)):
            yield bytes([number, 0, len(history.events) // 2, damage, 3, *[0, _PIECE] * pieces])


def payloads() -> Iterator[bytes]:
    """Yield stored histories with a payload that is whole, that is cut, that is bent."""
    for number in range(len(HISTORIES)):
        for which in range(0, 40, 3):
            yield bytes([number, 0, which, 255, 0])
            yield bytes([number, 0, which, 128, 0])
            yield bytes([number, 0, which, 0, 1 + which, which])


def _members() -> Iterator[tuple[str, Any]]:
    waiting: list[Any] = [json.loads(seed) for seed in validator()]
    while waiting:
        match waiting.pop():
            case dict() as members:
                yield from members.items()
                waiting.extend(members.values())
            case list() as items:
                waiting.extend(items)
            case _:
                pass


BY_NAME = {each.__name__: each for each in (validator, expressions, templates, projection, payloads)}
