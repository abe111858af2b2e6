"""Trigger paths: public, so unique over the graphs of all tenants."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.errors import FieldError, InvalidInput
from cairn.graph.model import Definition, GraphIssue
from cairn.persistence.tables import GraphRow, GraphTriggerRow

_PATH = re.compile(r"[A-Za-z0-9_-]{1,36}")


def fill_paths(definition: JsonObject, parsed: Definition, known: Mapping[str, str]) -> JsonObject:
    """Return the definition with a path for each trigger that has none; the argument is not changed.

    Args:
        definition: as it was sent.
        parsed: the same.
        known: paths that triggers have already, by node; for others one is made.
    """
    nodes = [
        {**raw, "data": {**node.data, "trigger_path": known.get(node.id) or str(uuid.uuid4())}}
        if node.type == "trigger" and node.data.get("trigger_path") in (None, "")
        else raw
        for raw, node in zip(definition.get("nodes", []), parsed.nodes, strict=True)
    ]
    return {**definition, "nodes": nodes} if nodes else definition


def paths_of(definition: JsonObject) -> dict[str, str]:
    """Return the paths of a definition's triggers, by node."""
    return dict(_triggers(definition))


def without_paths(definition: JsonObject) -> JsonObject:
    """Return the definition with triggers that have no path; the argument is not changed."""
    nodes = [
        {**node, "data": {**node.get("data", {}), "trigger_path": ""}} if node["type"] == "trigger" else node
        for node in definition.get("nodes", [])
    ]
    return {**definition, "nodes": nodes} if nodes else definition


def _triggers(definition: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield id and path of triggers whose path can be held; what is wrong with others is for the validator to say."""
    for node in definition.get("nodes", []):
        path = node.get("data", {}).get("trigger_path")
        if node["type"] == "trigger" and isinstance(path, str) and _PATH.fullmatch(path):
            yield node["id"], path


async def clashes(session: AsyncSession, definition: JsonObject, graph_id: int | None) -> list[GraphIssue]:
    """Return an error for each trigger whose path another graph holds, of whatever tenant."""
    wanted = {path for _, path in _triggers(definition)}
    if not wanted:
        return []
    taken = col(GraphTriggerRow.path).in_(wanted), col(GraphTriggerRow.graph_id) != (graph_id or 0)
    held = set((await session.execute(select(col(GraphTriggerRow.path)).where(*taken))).scalars())
    return [
        GraphIssue(
            kind="node", id=node_id, field="data.trigger_path", message=f"Trigger path '{path}' is already in use"
        )
        for node_id, path in _triggers(definition)
        if path in held
    ]


async def hold(session: AsyncSession, graph: GraphRow, definitions: Sequence[JsonObject]) -> None:
    """Let the graph hold the paths of these definitions and no others.

    Raises:
        InvalidInput: another graph holds one of them.
    """
    assert graph.id is not None
    wanted = {path for definition in definitions for _, path in _triggers(definition)}
    mine = col(GraphTriggerRow.graph_id) == graph.id
    held = set((await session.execute(select(col(GraphTriggerRow.path)).where(mine))).scalars())
    if held - wanted:
        await session.execute(delete(GraphTriggerRow).where(mine, col(GraphTriggerRow.path).in_(held - wanted)))
    if not wanted - held:
        return
    rows = [
        GraphTriggerRow(path=path, graph_id=graph.id, tenant=graph.tenant, live=graph.live)
        for path in sorted(wanted - held)
    ]
    try:
        async with session.begin_nested():
            session.add_all(rows)
    except IntegrityError:
        issues = [issue for definition in definitions for issue in await clashes(session, definition, graph.id)]
        raise clash(issues) from None


def clash(issues: Sequence[GraphIssue]) -> InvalidInput:
    """Return the error for paths that other graphs hold."""
    return InvalidInput(
        "A trigger path is already in use.",
        code="trigger_path_taken",
        errors=[FieldError("/definition", issue.message) for issue in issues],
        extra={"is_valid": False, "errors": [issue.model_dump() for issue in issues]},
    )
