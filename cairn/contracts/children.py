"""Executions below executions: payloads of the map's workflow and of what watches a child from a later run."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import ChildSeed, ExecutionInput, NodeFailure, Usage
from cairn.contracts.json import Json, JsonObject, digest
from cairn.contracts.nodes import NodeCall, NodeResult

MAP_WORKFLOW_TYPE = "MapExecution"


def item_id(map_temporal_id: str, index: int, lineage: str) -> str:
    """Return the id (of the execution and of its workflow) of one item of a map.

    Args:
        map_temporal_id: Temporal workflow id of the whole map.
        index: which item.
        lineage: the parent's line when the map was started.
    """
    return f"exec_{hashlib.sha256(f'{map_temporal_id}/{index}/{lineage}'.encode()).hexdigest()[:32]}"


class MapInput(BaseModel):
    """Argument of the ``MapExecution`` workflow, which runs one execution an item.

    Attributes:
        execution: what each item's execution is started with; its id, input, item and index are filled in per item.
        items: the list.
        by_item: the item itself is the input of its execution (a published graph); else the input stays as it is.
        concurrency: executions at a time.
        on_error: the first failure fails the map (and stops the others), or errors are collected.
        chunk: items of one child workflow; bounds every history.
        lineage: the parent's line: part of the ids of the items' executions.
        seeds: items that go on from a checkpoint of theirs.
        previous: Temporal id of the map that a reset of the parent discarded: its finished items are kept.
        name: of the map's node, for people.
        map_id: Temporal id of the whole map; None in the whole map itself, told to its chunks.
        first: number of the first item, in a chunk.
    """

    execution: ExecutionInput
    items: list[Json]
    by_item: bool = False
    concurrency: int = 10
    on_error: Literal["fail", "collect"] = "fail"
    chunk: int = 100
    lineage: str = ""
    seeds: list[ChildSeed] = Field(default_factory=list[ChildSeed])
    previous: str | None = None
    name: str = ""
    map_id: str | None = None
    first: int = 0


class ItemResult(BaseModel):
    """What one item brought: a value or why it failed."""

    value: Json = None
    error: NodeFailure | None = None


class MapResult(BaseModel):
    """Result of the ``MapExecution`` workflow: one entry an item, in the list's order."""

    items: list[ItemResult] = Field(default_factory=list[ItemResult])
    usage: Usage | None = None


class WatchedChild(BaseModel):
    """``data`` of ``watch_child``.

    Attributes:
        temporal_id: the child's Temporal workflow id.
        map: it is a map.
        collect: of a map: its errors are collected.
        after_reset: a child that was cancelled before, with the line that a reset ended, fails as ``STOPPED``: the
            engine starts another.
    """

    temporal_id: str
    map: bool = False
    collect: bool = False
    after_reset: bool = False


STOPPED = "cairn:stopped"
"""Error type of the watch over a child that was cancelled with the line that a reset has ended."""


WATCH_CHILD = ActivityRef("watch_child", NodeCall, NodeResult)
"""Waits for a child that an earlier run of the execution started (continue-as-new). ``data``: WatchedChild.

Fails with the child's own code, as the child itself would have told; ``cancelled`` or ``terminated`` when it ended so.
"""


class KeptRequest(BaseModel):
    """Input of ``keep_items``.

    Attributes:
        previous: Temporal id of the map that a reset discarded.
        map_id: Temporal id of the map that takes its place.
        first: number of the first item that is asked for.
        digests: of what each item's execution would be given (``work_digest``).
    """

    tenant: str
    previous: str
    map_id: str
    first: int
    digests: list[str]


class KeptItems(BaseModel):
    """Result of ``keep_items``: the values of the items that had finished, by their number, and their use of models."""

    values: dict[int, Json] = Field(default_factory=dict[int, Json])
    usage: Usage | None = None


KEEP_ITEMS = ActivityRef("keep_items", KeptRequest, KeptItems)
"""Hands the finished items of a discarded map over to the one that takes its place."""


def work_digest(start: ExecutionInput) -> str:
    """Return the digest of what an execution works on: its graph, input and item."""
    return digest({"graph": start.graph.digest, "input": start.input, "item": start.item})


def map_value(result: MapResult, collect: bool) -> Json:
    """Return what a map node gives: the values in order; with ``collect`` {value} or {error} each."""
    if not collect:
        return [item.value for item in result.items]
    made: list[JsonObject] = [
        {"value": item.value}
        if item.error is None
        else {"error": {"code": item.error.code, "message": item.error.message}}
        for item in result.items
    ]
    return made
