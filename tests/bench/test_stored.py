"""The bytes that the benchmark finds: what is alive, also when somebody still reads what was there before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
from installation import until
from sqlalchemy.engine import make_url

_ROWS = "INSERT INTO note SELECT n, repeat('x', 1000) FROM generate_series(1, 100) n"
_ANEW = "UPDATE note SET text = repeat('y', 1000)"


@pytest.fixture(autouse=True)
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))


async def test_rows_that_a_reader_still_sees_are_waited_for_and_do_not_count(postgresql_url: str) -> None:
    from sides.stored import PostgresqlStore

    dsn = make_url(postgresql_url).set(drivername="postgresql").render_as_string(hide_password=False)
    store = PostgresqlStore(dsn)
    with psycopg.connect(dsn, autocommit=True) as writer, psycopg.connect(dsn) as reader:
        writer.execute("CREATE TABLE note (id int PRIMARY KEY, text text)")
        writer.execute(_ROWS)
        before = store.bytes()
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM note")
        for _ in range(20):
            writer.execute(_ANEW)
        measuring = asyncio.create_task(asyncio.to_thread(store.bytes))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%greatest(age(backend_xid)%%' AND pid <> %s"
        await until(lambda: writer.execute(waits, [writer.info.backend_pid]).fetchone() != (0,))
        assert not measuring.done()
        reader.rollback()
        assert await measuring == before


def test_who_reads_for_too_long_is_told(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sides import stored

    monkeypatch.setattr(stored, "OLDEST", 0.0)
    dsn = make_url(postgresql_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, application_name="a server") as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1 AS what_is_read")
        with pytest.raises(RuntimeError, match=r"a server, idle in transaction since .*: SELECT 1 AS what_is_read"):
            stored.PostgresqlStore(dsn).bytes()
