"""Sessions: what waits, what is kept, what callers are told."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from persistence.rows import Executions, add_graph, add_version
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import col
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter

from cairn.errors import InvalidInput, Unavailable
from cairn.persistence import migrate
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import ExecutionRow, GraphRow


async def test_a_transaction_is_kept_or_not_as_a_whole(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            await add_graph(session)
            raise RuntimeError
    async with database.session() as session:
        await add_graph(session)
    async with database.transaction() as session:
        assert (await session.execute(select(GraphRow))).all() == []
        await add_graph(session)
    async with database.session() as session:
        assert len((await session.execute(select(GraphRow))).all()) == 1


async def test_writers_that_read_first_wait_for_their_turn(database: Database) -> None:
    """What SQLite refuses at once (a reader that becomes a writer after another wrote) must work, and lose nothing."""
    async with database.transaction() as session:
        graph = await add_graph(session, revision=0)

    async def increment() -> None:
        async with database.transaction() as session:
            await session.execute(select(GraphRow.name))
            query = select(GraphRow).where(col(GraphRow.id) == graph.id).with_for_update()
            row = (await session.execute(query)).scalar_one()
            await asyncio.sleep(0)
            row.revision += 1

    await asyncio.gather(*(increment() for _ in range(50)))
    async with database.session() as session:
        assert (await session.execute(select(GraphRow.revision))).scalar_one() == 50


async def test_after_a_rush_a_warm_connection_is_used_again_and_again(database: Database) -> None:
    """Each has caches and prepared statements of its own: taken by turns, each would be cold whenever it is used."""
    async with AsyncExitStack() as rush:
        for _ in range(3):
            await rush.enter_async_context(database.connection())
    used: set[object] = set()
    for _ in range(3):
        async with database.connection() as connection:
            used.add((await connection.get_raw_connection()).driver_connection)
    assert len(used) == 1


async def test_an_open_reader_becomes_a_writer_after_another_wrote(database: Database) -> None:
    async with database.transaction() as session:
        graph = await add_graph(session)
    async with database.transaction() as reader:
        await reader.execute(select(GraphRow))
        async with database.transaction() as writer:
            (await writer.get_one(GraphRow, graph.id)).name = "other"
        await add_version(reader, graph)
    async with database.session() as session:
        assert (await session.get_one(GraphRow, graph.id)).name == "other"


async def test_a_savepoint_that_reads_first_waits_too(database: Database) -> None:
    async def add(number: int) -> None:
        async with database.transaction() as session, session.begin_nested():
            await session.execute(select(GraphRow))
            await add_graph(session)

    await asyncio.gather(*(add(n) for n in range(20)))


WRITE = """
import asyncio, sys
from cairn.persistence import migrate
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import GraphRow
async def main():
    database = Database(create_engine(sys.argv[1]))
    for n in range(20):
        async with database.transaction() as session:
            session.add(GraphRow(tenant="acme", uuid=f"{sys.argv[2]}-{n}", name="graph"))
    await database.dispose()
asyncio.run(main())
"""


async def test_processes_write_at_once(database: Database, database_url: str) -> None:
    def start(name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", WRITE, database_url, name])

    processes = [start("a"), start("b"), start("c")]
    assert [await asyncio.to_thread(process.wait, 60) for process in processes] == [0, 0, 0]
    async with database.session() as session:
        assert len((await session.execute(select(GraphRow.id))).all()) == 60


async def test_sqlite_gives_up_waiting_with_an_answer(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairn.persistence.session.BUSY_TIMEOUT", 0.05)
    database = Database(create_engine(sqlite_url))
    async with database.transaction() as first:
        await add_graph(first)
        with pytest.raises(Unavailable) as refused:
            async with database.transaction() as second:
                await add_graph(second)
        with pytest.raises(Unavailable):
            async with database.transaction() as third, third.begin_nested():
                await add_graph(third)
        # Readers see what is committed, and wait for nobody.
        async with database.session() as reader:
            assert (await reader.execute(select(GraphRow))).all() == []
    assert refused.value.retry_after
    assert "INSERT" not in str(refused.value)
    await database.dispose()


async def test_what_is_refused_is_not_its_own_cause(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows causes, as what tells Temporal of an activity's failure does, must come to an end."""
    monkeypatch.setattr("cairn.persistence.session.BUSY_TIMEOUT", 0.05)
    database = Database(create_engine(sqlite_url))
    async with database.transaction() as writer:
        await add_graph(writer)
        with pytest.raises(Unavailable) as refused:
            async with database.transaction() as other:
                await other.execute(update(GraphRow).values(revision=1))
    failure = Failure()
    DefaultFailureConverter().to_failure(refused.value, DefaultPayloadConverter(), failure)
    assert failure.message == "The database is busy." and "OperationalError" in str(failure.cause)
    await database.dispose()


async def test_when_all_connections_are_taken_it_is_unavailable(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    monkeypatch.setattr("cairn.persistence.session._OPTIONS", options)
    database = Database(create_engine(sqlite_url))
    async with database.transaction() as first:
        await add_graph(first)
        with pytest.raises(Unavailable):
            async with database.session() as second:
                await second.execute(select(GraphRow))
    await database.dispose()


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    for url in (
        f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/cairn.db",
        f"postgresql+psycopg://nobody@/none?host={tmp_path}",
    ):
        database = Database(create_engine(url))
        with pytest.raises(Unavailable):
            await database.ping()
        await database.dispose()


async def test_a_file_that_is_not_there_is_told_as_such_and_made_by_migrations_alone(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/a #100% ü.db"
    database = Database(create_engine(url))
    with pytest.raises(Unavailable, match="no database yet") as missed:
        await database.ping()
    assert missed.value.code == "database_missing"
    assert files(tmp_path) == []
    await migrate.upgrade_async(url)
    await database.ping()
    await database.dispose()
    assert files(tmp_path) == ["a #100% ü.db"]


def files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_who_comes_after_the_end_leaves_no_connection(sqlite_url: str) -> None:
    database = Database(create_engine(sqlite_url))
    await database.dispose()
    opened: list[object] = []
    event.listen(database.engine.sync_engine, "connect", lambda connection, _: opened.append(connection))
    async with database.session() as session:
        assert (await session.execute(select(GraphRow))).all() == []
    (connection,) = opened
    assert connection.driver_connection._connection is None  # type: ignore[attr-defined]


async def test_ping(database: Database) -> None:
    await database.ping()


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "mysql://x/y", "sqlite:///x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database"):
        create_engine(url)


async def test_times_come_back_in_utc_to_the_microsecond(database: Database) -> None:
    executions = await Executions.of(database)
    time = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=timezone(timedelta(hours=-8)))
    row = await executions.add(created_at=time)
    async with database.session() as session:
        read = await session.get_one(ExecutionRow, row.key)
        earlier = select(ExecutionRow.id).where(col(ExecutionRow.created_at) < time + timedelta(microseconds=1))
        assert len((await session.execute(earlier)).all()) == 1
        assert (await session.execute(earlier.where(col(ExecutionRow.created_at) < time))).all() == []
    assert read.created_at == time
    assert read.created_at.tzinfo is UTC
    assert read.closed_at is None
    with pytest.raises(StatementError, match="time zone"):
        await executions.add(created_at=datetime(2026, 3, 4))  # noqa: DTZ001


HARD = {
    "big": 2**70,
    "float": 1e300,
    "zero": -0.0,
    "nul": "a\x00b",
    "half": "\ud800",
    "ü": "𝄞",
    'quote"': [None, True, {}],
    "order": {"b": 1, "a": 2},
}


async def test_documents_come_back_as_they_were(database: Database) -> None:
    executions = await Executions.of(database)
    row = await executions.add(input_data=HARD, output_data=[1, "x"], error=None)
    async with database.session() as session:
        read = await session.get_one(ExecutionRow, row.key)
    assert read.input_data == HARD
    assert list(read.input_data["order"]) == ["b", "a"]
    assert math.copysign(1, read.input_data["zero"]) == -1
    assert (read.output_data, read.error, read.usage) == ([1, "x"], None, None)


async def test_what_cannot_be_stored_is_the_callers_error(database: Database) -> None:
    executions = await Executions.of(database)
    with pytest.raises(InvalidInput):
        await executions.add(input_data={"x": math.nan})
    with pytest.raises(InvalidInput):
        await executions.add(revision=2**80)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_nul_characters_are_the_callers_error_where_text_cannot_hold_them(database: Database) -> None:
    executions = await Executions.of(database)
    with pytest.raises(InvalidInput):
        await executions.add(metadata_={"x": "a\x00b"})
    with pytest.raises(InvalidInput):
        await executions.add(status_detail="a\x00b")


@pytest.mark.parametrize("status", ["draft", "published"])
async def test_the_database_allows_one_draft_and_one_published_version(database: Database, status: str) -> None:
    async with database.transaction() as session:
        graph = await add_graph(session)
        await add_version(session, graph, version=1, status="archived")
        await add_version(session, graph, version=2, status="archived")
        await add_version(session, graph, version=3, status=status)
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await add_version(session, graph, version=4, status=status)


async def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await add_version(session, GraphRow(id=99, tenant="acme", uuid="u", name="n"))


async def test_a_database_that_was_never_migrated_is_told_as_such(database: Database) -> None:
    """Whoever forgot it would else look for a database that is away."""
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE alembic_version"))
        await session.execute(text("ALTER TABLE graphs RENAME TO before"))
    with pytest.raises(Unavailable, match="cairn db upgrade") as missed:
        await database.ping()
    assert missed.value.code == "database_not_migrated"
    for statement in ("SELECT 1 FROM graphs", "SELECT nothing_like_it FROM before"):
        async with database.session() as session:
            with pytest.raises(Unavailable, match="cairn db upgrade"):
                await session.execute(text(statement))
