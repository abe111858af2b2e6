"""Executions below executions: payloads of the map's workflow and of what watches a child from a later run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import ChildSeed, ExecutionInput, NodeFailure, Usage
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import NodeCall, NodeResult

MAP_WORKFLOW_TYPE = "MapExecution"


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


class ItemResult(BaseModel):
    """What one item brought: a value or why it failed."""

    value: Json = None
    error: NodeFailure | None = None


class MapResult(BaseModel):
    """Result of the ``MapExecution`` workflow: one entry an item, in the list's order."""

    items: list[ItemResult] = Field(default_factory=list[ItemResult])
    usage: Usage | None = None


class WatchedChild(BaseModel):
    """``data`` of ``watch_child``: the child's Temporal workflow id and type."""

    temporal_id: str
    map: bool = False


WATCH_CHILD = ActivityRef("watch_child", NodeCall, NodeResult)
"""Waits for a child that an earlier run of the execution started (continue-as-new). ``data``: WatchedChild."""


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
