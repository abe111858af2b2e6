"""How what is wrong with a graph is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

from pydantic import ValidationError

from cairn.contracts.json import Json
from cairn.errors import plain_message
from cairn.graph.model import GraphIssue

Kind = Literal["node", "edge", "workflow"]

_DEMAND = ": input should be "
_OWN_MESSAGES = {
    ("trigger_path", "string_too_long"): "Trigger path can have at most 36 characters",
    ("trigger_path", "string_pattern_mismatch"): "Trigger path can have only letters, digits, hyphens and underscores",
    ("on", "literal_error"): "On must be success, error or timeout",
}


def issue(kind: Kind, subject: str | None, field: str | None, message: str, *, warning: bool = False) -> GraphIssue:
    """Make an issue; what is quoted from the graph may be any text."""
    return GraphIssue(
        kind=kind,
        id=None if subject is None else _printable(subject),
        field=None if field is None else _printable(field),
        message=_printable(message),
        severity="warning" if warning else "error",
    )


def shape_issues(kind: Kind, subject: str, data: Json, error: ValidationError) -> Iterable[GraphIssue]:
    """Yield one issue for each place of some data that is not of its form."""
    found: dict[str, list[str]] = {}  # messages, by place
    for single in error.errors(include_url=False, include_context=False):
        path, exists = _path(data, single["loc"], single["input"], missing=single["type"] == "missing")
        message = _message(path, exists, single["type"], plain_message(single), single["input"])
        messages = found.setdefault(".".join(["data", *path]), [])
        if message not in messages:
            messages.append(message)
    for field, messages in found.items():
        yield issue(kind, subject, field, _joined(messages))


def _path(data: Json, location: Sequence[int | str], wrong: Json, *, missing: bool) -> tuple[list[str], bool]:
    """Return the path of an error and whether there is a value; pydantic mixes the alternatives of unions into it."""
    path: list[str] = []
    for at, part in enumerate(location):
        if not missing and data is wrong:
            break
        if isinstance(data, dict) and part in data:
            data = cast(dict[Any, Json], data)[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(cast(list[Json], data)):
            data = cast(list[Json], data)[part]
        elif missing and isinstance(data, dict) and at == len(location) - 1:
            return [*path, str(part)], False
        else:
            break
        path.append(str(part))
    return path, True


def _joined(messages: Sequence[str]) -> str:
    """Return what the alternatives of a union say, in one sentence."""
    first, *others = messages
    said, demand, _ = first.partition(_DEMAND)
    start = f"{said}{demand}"
    return " or ".join([first, *(each.removeprefix(start) if demand else each for each in others)])


def _message(path: Sequence[str], exists: bool, error_type: str, message: str, value: Json) -> str:
    leaf = path[-1] if path else ""
    name = leaf.replace("_", " ").capitalize()
    if not exists or value is None or error_type == "string_too_short":
        return f"{name} is required"
    if not name:
        return message
    return _OWN_MESSAGES.get((leaf, error_type)) or f"{name}: {message[:1].lower()}{message[1:]}"


def _printable(text: str) -> str:
    return re.sub(r"[\ud800-\udfff]", "\ufffd", text)
