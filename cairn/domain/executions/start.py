"""The start of a row's workflow: what a request does after its commit, and the reconciler for what a crash left."""

from __future__ import annotations

import re

from sqlalchemy import CursorResult, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col

from cairn import errors
from cairn.contracts.executions import ExecutionInput, GraphRef
from cairn.contracts.json import JsonObject, canonical
from cairn.domain.executions.model import StartExecution
from cairn.domain.graphs.model import GraphVersion
from cairn.persistence.first_write import ALONE
from cairn.persistence.postgresql import UNHURRIED
from cairn.persistence.tables import ExecutionRow, GraphRow, GraphVersionRow
from cairn.temporal.executions import ExecutionClient

METADATA_LIMIT = 16 * 1024
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

_STARTED: JsonObject = {"status": "running", "started": True, "seed": None}
_ROWS = ExecutionRow.metadata.tables["executions"]
# Made once, and of the table: to make it, and to have the session evaluate it, costs more than to carry it out.
_NOTE = (
    update(_ROWS)
    .where(_ROWS.c.temporal_id == bindparam("of"), _ROWS.c.status == "pending")
    .values(**_STARTED, run_id=bindparam("run"))
)
# An accident of the database that loses it is no harm: the reconciler starts again what is pending, which is one start.
_NOTES = {"sqlite": _NOTE, "postgresql": _NOTE.where(UNHURRIED)}

SEED_BODY = "body"
"""Key in the seed of a fork: ids of the map nodes that lead to the inline definition that its source, an item, runs."""


def check_command(command: StartExecution) -> None:
    """Refuse metadata and ids that break their limits.

    Raises:
        InvalidInput: they do.
    """
    try:
        size = len(canonical(command.metadata).encode())
    except ValueError as error:
        raise errors.InvalidInput(
            "The metadata is no JSON", errors=[errors.FieldError("/metadata", "holds a value that JSON has not")]
        ) from error
    if size > METADATA_LIMIT:
        message = f"has {size} bytes, over the limit of {METADATA_LIMIT}"
        raise errors.InvalidInput("The metadata is too large", errors=[errors.FieldError("/metadata", message)])
    chosen = command.execution_id
    if chosen is not None and not _ID.fullmatch(chosen):
        message = "has to match ^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
        raise errors.InvalidInput("The execution id is not valid", errors=[errors.FieldError("/execution_id", message)])


async def start_workflow(
    temporal: ExecutionClient, session: AsyncSession, row: ExecutionRow, version: GraphVersion | None = None
) -> None:
    """Start the workflow of a committed row, once however often it is asked, and note it in the row.

    Args:
        temporal: to start it in.
        session: in which nothing was written since the row's commit.
        row: of the execution.
        version: what it is pinned to, if that has been read already.

    Raises:
        Unavailable: Temporal does not answer; the row stays as it is.
    """
    if version is not None:
        start, name = input_of(row, version.digest), version.graph_name
    else:
        start, name = await execution_input(session, row)
        await session.commit()  # the connection is free while Temporal is asked
    run_id = await temporal.start(row.temporal_id, start, name=name)
    if not await note_start(session, row.temporal_id, run_id):
        return await session.refresh(row)
    for name, value in {**_STARTED, "run_id": run_id}.items():
        set_committed_value(row, name, value)


async def execution_input(session: AsyncSession, row: ExecutionRow) -> tuple[ExecutionInput, str]:
    """Return what the row's workflow is started with, and the graph's name.

    Raises:
        NotFound: the graph is gone.
    """
    # The definition, which may be long, is the worker's matter.
    pinned = (
        select(col(GraphVersionRow.digest), col(GraphRow.name))
        .join(GraphRow, col(GraphRow.id) == col(GraphVersionRow.graph_id))
        .where(col(GraphVersionRow.id) == row.version_id)
    )
    found = (await session.execute(pinned)).one_or_none()
    if found is None:
        raise errors.NotFound("The execution's graph is gone")
    digest, name = found
    return input_of(row, digest), name


def input_of(row: ExecutionRow, digest: str) -> ExecutionInput:
    """Return what the row's workflow is started with; ``digest`` is the version's."""
    return ExecutionInput(
        execution_id=row.id,
        tenant=row.tenant,
        live=row.live,
        graph=GraphRef(
            workflow_id=row.workflow_uuid,
            version_id=row.version_id,
            version=row.version,
            digest=row.digest or digest,
            body=(row.seed or {}).get(SEED_BODY, []),
        ),
        input=row.input_data,
        metadata=row.metadata_,
        surface=row.surface,
        seed=row.seed,
    )


async def note_start(session: AsyncSession, temporal_id: str, run_id: str) -> bool:
    """Note in the row that its workflow has been started.

    In no transaction, this is one of its own. Returns False when a quick workflow has told already how it ended.
    """
    note = _NOTES[session.get_bind().dialect.name]
    noted = await session.execute(note, {"of": temporal_id, "run": run_id}, execution_options=ALONE)
    return isinstance(noted, CursorResult) and noted.rowcount > 0
