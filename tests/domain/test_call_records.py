"""What is written down of a call, whatever was said in it."""

from __future__ import annotations

from datetime import UTC, datetime

from persistence.rows import Executions

from cairn.contracts.calls import CallRecord
from cairn.domain.calls.records import write_call
from cairn.persistence.session import Database
from cairn.persistence.tables import CallRow


async def test_a_call_in_which_nul_was_said_is_written_all_the_same(database: Database) -> None:
    executions = await Executions.of(database)
    row = await executions.add("e1")
    told = CallRecord(
        temporal_id=row.temporal_id,
        run_id="r",
        ended_at=datetime(2026, 1, 1, tzinfo=UTC),
        disposition="gone\0",
        phone_number="\0",
        extracted={"na\0me": "A\0da"},
        tags=["a\0b"],
        summary="Short\0.",
    )
    async with database.transaction() as session:
        await write_call(session, told)
    async with database.session() as session:
        written = await session.get_one(CallRow, ("acme", "e1"))
    assert (written.disposition, written.phone_number, written.summary) == ("gone\ufffd", "\ufffd", "Short\ufffd.")
    assert written.extracted == {"na\0me": "A\0da"}
    assert written.tags == ["a\0b"]
