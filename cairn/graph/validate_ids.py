"""What ids may be, of a graph's own parts and of what they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import cast

from cairn.contracts.json import Json, JsonObject
from cairn.graph.issues import Kind, issue
from cairn.graph.model import GraphIssue

UNSAFE_ID = r"[\x00-\x1f\x7f-\x9f]|\.\./"
"""What no id may have: some go into paths and logs."""
UNSAFE = "An id can have neither control characters nor '../'"

_REFERENCES = (
    "workflow_id",
    "credential_uuid",
    "pre_call_fetch_credential_uuid",
    "tool_uuids",
    "document_uuids",
    "greeting_recording_id",
    "transition_speech_recording_id",
)


def is_safe(value: str) -> bool:
    """Tell whether a text can be an id."""
    return not re.search(UNSAFE_ID, value)


def own_ids(kind: Kind, ids: Sequence[str]) -> Iterator[GraphIssue]:
    """Yield what is wrong with the ids of nodes or edges: blank, twice, or no ids."""
    seen: set[str] = set()
    for value in ids:
        if not value.strip():
            yield issue(kind, value, "id", f"{kind.capitalize()} id is required")
        elif not is_safe(value):
            yield issue(kind, value, "id", UNSAFE)
        elif value in seen:
            yield issue(kind, value, "id", f"Duplicate {kind} id: '{value}'")
        seen.add(value)


def referred_ids(kind: Kind, subject: str, data: JsonObject) -> Iterator[GraphIssue]:
    """Yield what is wrong with the ids that the data of a node or edge refers to."""
    for name in _REFERENCES:
        value = data.get(name)
        if isinstance(value, str) and not is_safe(value):
            yield issue(kind, subject, f"data.{name}", UNSAFE)
        for number, each in enumerate(cast("list[Json]", value) if isinstance(value, list) else ()):
            if isinstance(each, str) and not is_safe(each):
                yield issue(kind, subject, f"data.{name}.{number}", UNSAFE)
