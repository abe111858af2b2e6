"""map: one execution for each item of a list; returns what they gave, in the list's order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from cairn.contracts.json import JsonObject
from cairn.graph.expressions import ExpressionError
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, child_problems, evaluate

MAX_ITEMS = 100_000


class MapData(NodeData):
    """Data of a map node: exactly one of ``workflow_id`` and ``body``.

    Attributes:
        items: expression that gives a list.
        workflow_id: id or uuid of a published graph; each item is the input of one execution of it.
        body: an inline definition; it sees the map's own input, and ``item`` and ``index``.
        concurrency: executions at a time.
        on_error: the first failure fails the map, or each item's value or error is collected.
    """

    items: Name
    workflow_id: Name | int | None = None
    body: JsonObject | None = None
    concurrency: int = Field(default=10, ge=1, le=1000)
    on_error: Literal["fail", "collect"] = "fail"


class Map(NodeKind[MapData]):
    """The kind."""

    def resolve(self, data: MapData, scope: Scope) -> JsonObject:
        """Evaluate the items.

        Raises:
            ExpressionError: they are no list, or too many.
        """
        items = evaluate(data.items, scope)
        if not isinstance(items, list):
            raise ExpressionError("the items of a map are a list")
        if len(items) > MAX_ITEMS:  # pyright: ignore[reportUnknownArgumentType]
            raise ExpressionError(f"a map has at most {MAX_ITEMS} items")
        return {
            "items": items,
            "workflow_id": None if data.workflow_id is None else str(data.workflow_id),
            "concurrency": data.concurrency,
            "on_error": data.on_error,
        }

    def expressions(self, data: MapData) -> Sources:
        """The items."""
        yield "items", data.items

    def problems(self, data: MapData) -> Iterable[tuple[str, str]]:
        """What it cannot keep to."""
        return child_problems(data)


KIND = Map(type="map", Data=MapData, child="map", checkpointed=True, one_of=("workflow_id", "body"))
