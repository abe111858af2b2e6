"""What PostgreSQL is asked, and when: each way to the server and back is time that a caller waits."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
from installation import until
from persistence.rows import add_graph
from sqlalchemy import select, text, update
from sqlalchemy.engine import make_url
from sqlmodel import col

from cairn.errors import Unavailable
from cairn.persistence import postgresql
from cairn.persistence.first_write import ALONE
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import GraphRow

ONE = "SELECT 1"
STATE = "SELECT state FROM pg_stat_activity WHERE pid = %s"


@pytest.fixture
async def database(postgresql_url: str) -> AsyncIterator[Database]:
    database = Database(create_engine(postgresql_url))
    yield database
    await database.dispose()


class Server:
    """The server, as another client sees it."""

    def __init__(self, url: str) -> None:
        self.dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    def answer(self, query: str, *values: object) -> object:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute(query.encode(), values).fetchone()
        return found[0] if found else None


@pytest.fixture
def server(postgresql_url: str) -> Server:
    return Server(postgresql_url)


async def process(database: Database) -> int:
    """Return the process of the server that serves the connection which is used next."""
    async with database.session() as session:
        return (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()


async def test_who_reads_is_in_no_transaction(database: Database, server: Server) -> None:
    pid = await process(database)
    async with database.session() as session:
        await session.execute(select(GraphRow))
        assert server.answer(STATE, pid) == "idle"
        await add_graph(session)
        assert server.answer(STATE, pid) == "idle in transaction"
        await session.commit()
        assert server.answer(STATE, pid) == "idle"
        await session.execute(select(GraphRow).with_for_update())
        assert server.answer(STATE, pid) == "idle in transaction"
    assert server.answer(STATE, pid) == "idle"


async def test_a_lock_of_the_server_lasts_as_long_as_the_transaction(database: Database, server: Server) -> None:
    free = "SELECT pg_try_advisory_lock(7)"
    async with database.transaction() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(7)"))
        assert server.answer(free) is False
    assert server.answer(free) is True


async def test_a_statement_may_be_a_transaction_of_its_own(database: Database, server: Server) -> None:
    name = "SELECT name FROM graphs"
    async with database.transaction() as session:
        await add_graph(session)
    async with database.session() as session:
        await session.execute(update(GraphRow).values(name="alone"), execution_options=ALONE)
        assert server.answer(name) == "alone"
        await session.execute(update(GraphRow).where(col(GraphRow.name) == "alone").values(name="first"))
        await session.execute(update(GraphRow).values(name="second"), execution_options=ALONE)
        assert server.answer(name) == "alone"
    assert server.answer(name) == "alone"


async def test_a_connection_that_the_server_closed_is_not_used(database: Database, server: Server) -> None:
    async def both() -> set[int]:
        async with database.session() as first:
            await first.execute(text(ONE))
            return {await process(database), (await first.execute(text("SELECT pg_backend_pid()"))).scalar_one()}

    before = await both()
    for pid in before:
        assert server.answer("SELECT pg_terminate_backend(%s)", pid)
        await until(lambda pid=pid: not server.answer("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid))
    assert not await both() & before


@pytest.mark.parametrize("savepoint", [False, True])
async def test_a_server_that_goes_away_before_the_first_write_is_unavailable(
    database: Database, server: Server, savepoint: bool
) -> None:
    pid = await process(database)
    with pytest.raises(Unavailable):
        async with database.transaction() as session:
            await session.execute(text(ONE))
            assert server.answer("SELECT pg_terminate_backend(%s)", pid)
            if savepoint:
                await session.begin_nested()
            await add_graph(session)
    assert await process(database) != pid


async def test_a_connection_that_said_something_else_is_kept(database: Database, server: Server) -> None:
    pid = await process(database)
    async with database.session() as session:
        await session.execute(text("LISTEN news"))
        await session.commit()
    server.answer("SELECT pg_notify('news', 'x')")
    assert await process(database) == pid


@pytest.mark.parametrize(("trusted_for", "asked"), [(60.0, 0), (0.0, 3)])
async def test_a_silent_connection_is_asked_for_a_sign_of_life_once_in_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch, trusted_for: float, asked: int
) -> None:
    monkeypatch.setattr(postgresql, "TRUSTED_FOR", trusted_for)
    dialect, pings = database.engine.sync_engine.dialect, list[object]()
    monkeypatch.setattr(dialect, "do_ping", pings.append)
    for _ in range(4):
        await process(database)
    assert len(pings) == asked
