"""What executions tell of themselves, and what they ask of the database for it."""

from __future__ import annotations

import uuid
from typing import Any, cast

import pytest
from graphs import noting, sequence
from persistence.rows import Executions
from sqlalchemy import select, text
from statements import statements

from cairn.contracts.executions import GraphRef, Phase
from cairn.contracts.json import digest
from cairn.contracts.operations import LandRequest, Record
from cairn.contracts.requests import OpenRequest
from cairn.domain.executions.workflow_side import land, record
from cairn.domain.requests.workflow_side import open_request
from cairn.persistence.session import Database
from cairn.persistence.tables import ConversationRow, ExecutionRow, RequestRow
from cairn.persistence.types import utc_now
from cairn.temporal.description import Description
from cairn.temporal.reading import Reset

RUN = "run-1"


def word_of(row: ExecutionRow, phase: Phase = Phase.COMPLETED, **more: Any) -> Record:
    ids = {"temporal_id": row.temporal_id, "execution_id": row.id, "tenant": row.tenant}
    return Record(**{**ids, "run_id": RUN, "phase": phase, "revision": row.revision, **more})


async def told(database: Database, word: Record) -> ExecutionRow:
    """Have it written down; return the row."""
    async with database.transaction() as session:
        await record(session, word)
    return await one(database, ExecutionRow)


async def one(database: Database, table: type[Any]) -> Any:
    async with database.session() as session:
        return (await session.execute(select(table))).scalar_one()


@pytest.mark.parametrize("phase", [Phase.PAUSED, Phase.COMPLETED])
async def test_a_change_of_state_is_one_statement(database: Database, phase: Phase) -> None:
    row = await (await Executions.of(database)).add(status="running")
    with statements() as made:
        now = await told(database, word_of(row, phase, detail="by request", revision=3, output={"done": True}))
    assert made[0] == "UPDATE executions" and made[1:] == ["SELECT executions"]  # the one of this test
    assert (now.status, now.run_id, now.revision, now.started) == (phase.value, RUN, 3, True)
    assert now.output_data == {"done": True} and now.updated_at > row.updated_at
    closed = phase is Phase.COMPLETED
    assert (now.closed_at is not None, now.status_detail) == (closed, None if closed else "by request")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("status", "waits"), [("running", "off"), ("completed", "on")])
async def test_the_disk_is_waited_for_where_nobody_would_repair_the_row(
    database: Database, status: str, waits: str
) -> None:
    row = await (await Executions.of(database)).add(status=status, run_id="run-0")
    async with database.transaction() as session:
        await session.execute(text("SET LOCAL synchronous_commit TO on"))
        await record(session, word_of(row, Phase.PAUSED, revision=1))
        assert (await session.execute(text("SHOW synchronous_commit"))).scalar_one() == waits
    assert (await one(database, ExecutionRow)).status == "paused"


async def test_what_an_older_line_tells_late_is_ignored(database: Database) -> None:
    row = await (await Executions.of(database)).add(status="running", run_id="run-2", revision=2)
    assert (await told(database, word_of(row, revision=1))).status == "running"
    assert (await told(database, word_of(row, revision=1, run_id="run-2"))).status == "completed"


async def test_who_is_asked_by_an_execution_is_asked_no_more_when_it_ends(database: Database) -> None:
    row = await (await Executions.of(database)).add(status="running")
    asked = OpenRequest(
        **{"request_id": "r", "kind": "approval", "execution_id": row.id, "temporal_id": row.temporal_id},
        **{"tenant": row.tenant, "live": True, "run_id": RUN, "lineage": RUN, "node_id": "n", "visit": 1},
    )
    async with database.transaction() as session:
        await open_request(session, asked, None)
    await told(database, word_of(row, Phase.PAUSED))
    assert (await one(database, RequestRow)).status == "pending"
    assert (await told(database, word_of(row))).status == "completed"
    assert (await one(database, RequestRow)).status == "cancelled"


async def test_the_end_of_a_turn_is_news_of_its_conversation(database: Database) -> None:
    executions = await Executions.of(database)
    async with database.transaction() as session:
        session.add(ConversationRow(**{"tenant": "acme", "id": "c", "agent_id": "a", "title": "t", "user_id": "u"}))
    row = executions.row("turn", status="running", metadata_={"conversation_id": "c"})
    row.surface = "agentflow"
    async with database.transaction() as session:
        session.add(row)
    before = (await one(database, ConversationRow)).revision
    assert (await told(database, word_of(row))).status == "completed"
    assert (await one(database, ConversationRow)).revision == before + 1


@pytest.mark.parametrize(("status", "run_id"), [("completed", "run-2"), ("running", RUN)])
async def test_an_execution_that_a_reset_opens_is_open_from_its_landing_on(
    database: Database, status: str, run_id: str
) -> None:
    """What it tells next may be lost: then an open row is compared with Temporal, and a closed one is not."""
    row = await (await Executions.of(database)).add(status="running", run_id=RUN)
    if status == "completed":
        row = await told(database, word_of(row, revision=3, output={"done": True}))

    class Temporal:
        reader: Any = None

        async def reset_of(self, _temporal_id: str, _run_id: str) -> Reset:
            return Reset(RUN, utc_now(), cancelled=False)

        async def newest(self, _temporal_id: str, original: str) -> str:
            return original

        async def describe(self, temporal_id: str, run_id: str | None = None) -> Description:
            return Description(temporal_id, run_id or "run-2", Phase.COMPLETED, None, row.revision, 10, utc_now())

    temporal: Any = Temporal()
    temporal.reader = temporal
    ids = {"temporal_id": row.temporal_id, "execution_id": row.id, "tenant": row.tenant, "original_run_id": RUN}
    for _ in range(2):  # a worker may die after it has landed, and another one lands anew
        async with database.transaction() as session:
            landing = await land(session, temporal, LandRequest(**ids), "run-2")
        assert (landing.reset, landing.revision) == (True, row.revision + 1)
    now = await one(database, ExecutionRow)
    assert (now.run_id, now.output_data, now.closed_at) == (run_id, None, None)
    assert now.status == ("paused" if status == "completed" else "running")


async def test_an_execution_without_others_in_its_graph_begins_without_the_database(database: Database) -> None:
    definition = sequence(noting(f"a-{uuid.uuid4().hex}"))  # a process knows definitions of before
    executions = await Executions.of(database)
    async with database.transaction() as session:
        version = await session.merge(executions.version)
        version.definition, version.digest = definition, digest(definition)
    ref = GraphRef(workflow_id="w", version_id=version.id or 0, version=1, digest=version.digest)
    ids = {"temporal_id": "e", "execution_id": "e", "tenant": "acme", "original_run_id": RUN}
    asked: list[list[str]] = []
    for _ in range(2):
        with statements() as made:
            async with database.transaction() as session:
                landing = await land(session, cast("Any", None), LandRequest(**ids, graph=ref, pin=True), RUN)
        asked.append(made)
        assert (landing.definition, landing.pins, landing.reset) == (definition, {}, False)
    assert asked == [["SELECT graph_versions"], []]
