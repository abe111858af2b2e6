"""What resets write down is written once, though two tries of one activity write it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cairn.contracts.executions import Phase
from cairn.contracts.operations import ResumeAfterReset
from cairn.contracts.resets import Compensated, ResetOutcome, ResetRequest, Undo
from cairn.domain.executions.reset_records import note_compensation, note_reset
from cairn.persistence.session import Database
from cairn.persistence.tables import CompensationRow, ResetRow

REQUEST = ResetRequest(
    operation_id="op-1",
    request_digest="d",
    temporal_id="acme.exec_1",
    execution_id="exec_1",
    base_run_id="run-1",
    checkpoint_id="cp-1",
    checkpoint_name="a",
    reset_event_id=4,
    kind="rollback",
    tenant="acme",
)
UNDO = Undo(node_id="b", visit=1, name="b", lineage="run-1", tool="note", arguments={}, timeout=10)


Note = Callable[[AsyncSession], Awaitable[Any]]


def undone(error: str | None = None) -> Note:
    return lambda session: note_compensation(session, REQUEST, UNDO, error)


async def both(database: Database, first: Note, second: Note) -> list[Any]:
    """Have the second written while the transaction of the first is open; where the database has it wait, it waits."""

    async def write() -> Any:
        async with database.transaction() as session:
            return await second(session)

    async with database.transaction() as session:
        told = await first(session)
        other = asyncio.create_task(write())
        await asyncio.wait([other], timeout=0.5)
    return [told, await other]


async def rows(database: Database, table: type[Any]) -> list[Any]:
    async with database.session() as session:
        return list((await session.execute(select(table))).scalars())


async def test_two_tries_note_one_undo(database: Database) -> None:
    told: list[Compensated] = await both(database, undone(), undone())
    assert [each.status for each in told] == ["done", "done"]
    (row,) = await rows(database, CompensationRow)
    assert (row.status, row.temporal_id, row.operation_id, row.error) == ("done", "acme.exec_1", "op-1", None)


@pytest.mark.parametrize("notes", [(undone(), undone("late")), (undone("late"), undone())], ids=["before", "after"])
async def test_a_failure_that_is_noted_meanwhile_takes_nothing_back(database: Database, notes: Any) -> None:
    await both(database, *notes)
    (row,) = await rows(database, CompensationRow)
    assert (row.status, row.error) == ("done", None)
    async with database.transaction() as session:
        assert (await note_compensation(session, REQUEST, UNDO, "later still")).status == "done"


async def test_two_tries_note_one_reset(database: Database) -> None:
    made = ResumeAfterReset(request=REQUEST, run_id="run-2")
    outcome = ResetOutcome(run_id="run-2", revision=3, phase=Phase.PAUSED)
    await both(database, lambda session: note_reset(session, made), lambda session: note_reset(session, made, outcome))
    (row,) = await rows(database, ResetRow)
    assert (row.operation_id, row.run_id, row.revision) == ("op-1", "run-2", 3)
