"""The start of a row's workflow: what a request does after its commit, and the reconciler for what a crash left."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.executions import ExecutionInput, GraphRef
from cairn.errors import NotFound
from cairn.persistence.tables import ExecutionRow, GraphRow, GraphVersionRow
from cairn.temporal.executions import ExecutionClient


async def start_workflow(temporal: ExecutionClient, session: AsyncSession, row: ExecutionRow) -> None:
    """Start the workflow of a committed row, once however often it is asked, and note it in the row.

    Raises:
        Unavailable: Temporal does not answer; the row stays as it is.
    """
    start, name = await execution_input(session, row)
    run_id = await temporal.start(row.temporal_id, start, name=name)
    await note_start(session, row.temporal_id, run_id)
    await session.refresh(row)


async def execution_input(session: AsyncSession, row: ExecutionRow) -> tuple[ExecutionInput, str]:
    """Return what the row's workflow is started with, and the graph's name.

    Raises:
        NotFound: the graph is gone.
    """
    version = await session.get(GraphVersionRow, row.version_id)
    graph = await session.get(GraphRow, row.graph_id)
    if version is None or graph is None or version.id is None:
        raise NotFound("The execution's graph is gone")
    start = ExecutionInput(
        execution_id=row.id,
        tenant=row.tenant,
        live=row.live,
        graph=GraphRef(
            workflow_id=row.workflow_uuid,
            version_id=version.id,
            version=version.version,
            digest=row.digest or version.digest,
        ),
        input=row.input_data,
        metadata=row.metadata_,
        surface=row.surface,
        seed=row.seed,
    )
    return start, graph.name


async def note_start(session: AsyncSession, temporal_id: str, run_id: str) -> None:
    """Note in the row that its workflow has been started; a quick workflow may have told it already how it ended."""
    pending = col(ExecutionRow.temporal_id) == temporal_id, col(ExecutionRow.status) == "pending"
    told = {"status": "running", "run_id": run_id, "started": True, "seed": None}
    await session.execute(update(ExecutionRow).where(*pending).values(**told))
