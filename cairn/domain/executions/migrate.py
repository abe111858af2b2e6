"""Moving a paused execution to another version of its graph."""

from __future__ import annotations

from sqlmodel import col

from cairn import errors
from cairn.contracts.executions import UPDATE_MIGRATE, GraphRef, Migrate
from cairn.contracts.json import JsonObject, digest
from cairn.domain.executions.model import Execution
from cairn.domain.executions.service import ExecutionService
from cairn.domain.graphs.model import GraphVersion
from cairn.domain.graphs.pins import pins_of
from cairn.domain.graphs.rows import find_graph
from cairn.graph.references import body_at
from cairn.persistence.repository import Repository
from cairn.persistence.tables import ExecutionRow, GraphVersionRow


async def migrate(
    executions: ExecutionService, execution_id: str, version: int, revision: int | None = None, key: str | None = None
) -> Execution:
    """Have a paused execution go on, when it is resumed, by another version of its graph.

    Args:
        executions: of the principal.
        execution_id: the execution.
        version: number of a version that is or was published.
        revision: refuse unless the execution is at this one.
        key: the same key is carried out once in a line of the execution.

    Raises:
        NotFound: no such execution, or its graph has no such version.
        Conflict: it is not paused, or stands at a node that the version lacks (``node_gone``), or the version cannot
            be run.
    """
    row = await executions.require(execution_id)
    target = await _version(executions, row, version)
    graph, definition = await _part(executions, execution_id, target)
    pins = await pins_of(executions.session, executions.principal.scope, definition)
    return await executions.command(
        execution_id,
        UPDATE_MIGRATE,
        lambda lineage: Migrate(
            lineage=lineage, expected_revision=revision, graph=graph, definition=definition, pins=pins
        ),
        key,
    )


async def _part(executions: ExecutionService, execution_id: str, target: GraphVersion) -> tuple[GraphRef, JsonObject]:
    """Return what the execution runs of a version: all of it, or the inline body of the map whose item it is."""
    _, now = await executions.located(execution_id)
    body = (await executions.temporal.project(now)).engine.ref.body
    if not body:
        return target.ref, target.definition
    definition = body_at(target.definition, body)
    if definition is None:
        raise errors.Conflict(f"Version {target.version} has no map {body[-1]!r} with a body", code="node_gone")
    return target.ref.model_copy(update={"body": body, "digest": digest(definition)}), definition


async def _version(executions: ExecutionService, row: ExecutionRow, version: int) -> GraphVersion:
    own = col(GraphVersionRow.graph_id) == row.graph_id, col(GraphVersionRow.version) == version
    found = await Repository(executions.session, GraphVersionRow).get(executions.principal.scope, *own)
    if found is None:
        raise errors.NotFound(f"The workflow has no version {version}", code="version_not_found")
    if found.status == "draft":
        raise errors.Conflict(f"Version {version} is a draft", code="workflow_not_published")
    return GraphVersion.of(found, await find_graph(executions.session, executions.principal.scope, row.graph_id))
