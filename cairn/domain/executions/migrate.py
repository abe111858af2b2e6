"""Moving a paused execution to another version of its graph."""

from __future__ import annotations

from sqlmodel import col

from cairn import errors
from cairn.contracts.executions import UPDATE_MIGRATE, Migrate
from cairn.domain.executions.model import Execution
from cairn.domain.executions.service import ExecutionService
from cairn.domain.graphs.model import GraphVersion
from cairn.domain.graphs.pins import pins_of
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
    pins = await pins_of(executions.session, executions.principal.scope, target.definition)
    return await executions.command(
        execution_id,
        UPDATE_MIGRATE,
        lambda lineage: Migrate(
            lineage=lineage, expected_revision=revision, graph=target.ref, definition=target.definition, pins=pins
        ),
        key,
    )


async def _version(executions: ExecutionService, row: ExecutionRow, version: int) -> GraphVersion:
    own = col(GraphVersionRow.graph_id) == row.graph_id, col(GraphVersionRow.version) == version
    found = await Repository(executions.session, GraphVersionRow).get(executions.principal.scope, *own)
    if found is None:
        raise errors.NotFound(f"The workflow has no version {version}", code="version_not_found")
    if found.status == "draft":
        raise errors.Conflict(f"Version {version} is a draft", code="workflow_not_published")
    return GraphVersion.of(found, row.workflow_uuid)
