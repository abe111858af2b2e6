"""What must hold of the inline definition of a map, said of the map's node in the definition around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pydantic import ValidationError

from cairn.contracts.json import JsonObject
from cairn.graph.issues import issue, shape_issues
from cairn.graph.model import Definition, GraphIssue
from cairn.graph.nodes.voice import START_CALL

MAX_NESTING = 8
"""So deep may inline definitions be nested."""

_FIELD = "data.body"
_OUTSIDE = {
    START_CALL: "A call cannot be an item of a Map: begin an inline definition with a Start",
    "trigger": "A Trigger cannot stand in an inline definition: only its Map begins it",
}


def body_issues(
    node_id: str, body: JsonObject, check: Callable[[Definition], Iterable[GraphIssue]], *, nesting: int = 1
) -> Iterator[GraphIssue]:
    """Yield what is wrong with an inline definition, in time linear in it.

    The field of an issue says where inside the body it is: ``data.body.nodes.<id>.data.prompt``.

    Args:
        node_id: the map's node.
        body: its inline definition.
        check: says what is wrong with a definition by itself.
        nesting: how many inline definitions this one is inside of, itself counted.
    """
    if nesting > MAX_NESTING:
        yield issue("node", node_id, _FIELD, f"Inline definitions are nested more than {MAX_NESTING} deep")
        return
    try:
        definition = Definition.model_validate(body)
    except ValidationError as error:
        for found in shape_issues("node", node_id, body, error):
            yield found.model_copy(update={"field": _FIELD + (found.field or "").removeprefix("data")})
        return
    except RecursionError:
        yield issue("node", node_id, _FIELD, "Data is nested too deep")
        return
    for node in definition.nodes:
        if node.type in _OUTSIDE:
            yield issue("node", node_id, f"{_FIELD}.nodes.{node.id}.type", _OUTSIDE[node.type])
    for found in check(definition):
        place = "" if found.kind == "workflow" else f".{found.kind}s.{found.id}"
        field = f".{found.field}" if found.field else ""
        yield found.model_copy(update={"kind": "node", "id": node_id, "field": f"{_FIELD}{place}{field}"})
