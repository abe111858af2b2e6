"""The bytes that the benchmark finds: what is alive, also when somebody still reads what was there before."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from installation import until
from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from sides.stored import PostgresqlStore

_ROWS = "INSERT INTO note SELECT n, repeat('x', 1000) FROM generate_series(1, 100) n"
_ANEW = "UPDATE note SET text = repeat('y', 1000)"

_WRITES = """
import sys, time, psycopg
with psycopg.connect(sys.argv[1]) as connection:
    print("ready", flush=True)
    while True:
        connection.execute("SELECT pg_current_xact_id()")
        time.sleep(0.05)
        connection.commit()
        time.sleep(0.01)
"""
"""A server that is in a transaction most of the time."""


@pytest.fixture(autouse=True)
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))


@pytest.fixture
def dsn(postgresql_url: str) -> str:
    return make_url(postgresql_url).set(drivername="postgresql").render_as_string(hide_password=False)


async def test_rows_that_a_reader_still_sees_are_waited_for_and_do_not_count(dsn: str) -> None:
    from sides.stored import PostgresqlStore

    store = PostgresqlStore(dsn)
    with psycopg.connect(dsn, autocommit=True) as writer, psycopg.connect(dsn) as reader:
        writer.execute("CREATE TABLE note (id int PRIMARY KEY, text text)")
        writer.execute(_ROWS)
        before = store.bytes()
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM note")
        await measured_after(reader, writer, store, before)


async def test_what_another_database_has_begun_to_write_is_waited_for(dsn: str) -> None:
    from sides.stored import PostgresqlStore

    store, elsewhere = PostgresqlStore(dsn), make_url(dsn).set(database="postgres").render_as_string(False)
    with psycopg.connect(dsn, autocommit=True) as writer, psycopg.connect(elsewhere) as other:
        writer.execute("CREATE TABLE note (id int PRIMARY KEY, text text)")
        writer.execute(_ROWS)
        before = store.bytes()
        other.execute("SELECT pg_current_xact_id()")
        await measured_after(other, writer, store, before)


async def measured_after(
    open: psycopg.Connection, writer: psycopg.Connection, store: PostgresqlStore, before: Mapping[str, int]
) -> None:
    for _ in range(20):
        writer.execute(_ANEW)
    measuring = asyncio.create_task(asyncio.to_thread(store.bytes))
    waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%greatest(age(backend_xid)%%' AND pid <> %s"
    await until(lambda: writer.execute(waits, [writer.info.backend_pid]).fetchone() != (0,))
    assert not measuring.done()
    open.rollback()
    assert await measuring == before


def test_a_server_stands_still_between_two_transactions(dsn: str, tmp_path: Path) -> None:
    from sides.side import Side
    from sides.stored import PostgresqlStore

    store = PostgresqlStore(dsn)
    with subprocess.Popen([sys.executable, "-c", _WRITES, dsn], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None and server.stdout.readline()
        side = Side("a side", [], {}, tmp_path / "log", [store], server=server.pid)
        try:
            for _ in range(10):
                side.halt()
                assert psutil.Process(server.pid).status() == psutil.STATUS_STOPPED
                assert not store.held()
                assert side.wake()
        finally:
            server.kill()


def test_who_reads_for_too_long_is_told(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sides import stored

    monkeypatch.setattr(stored, "OLDEST", 0.0)
    with psycopg.connect(dsn, application_name="a server") as reader, psycopg.connect(dsn, autocommit=True) as writer:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1 AS what_is_read")
        writer.execute("SELECT pg_current_xact_id()")
        with pytest.raises(RuntimeError, match=r"a server, idle in transaction since .*: SELECT 1 AS what_is_read"):
            stored.PostgresqlStore(dsn).bytes()


def test_partitions_of_restate_are_made_compact_before_they_are_measured(tmp_path: Path) -> None:
    from sides.side import Failed, Side
    from sides.stored import RestateStore

    told, program = tmp_path / "told", tmp_path / "restatectl"
    program.write_text(f'#!/bin/sh\nprintf "%s" "$*" > {told}\n')
    program.chmod(0o755)

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            compact = told.exists() and "compact" in told.read_text()
            sizes = {"data-0": 1_000 if compact else 9_000, "data-12": 500, "default": 77}
            labels = 'cluster_name="localcluster",node_name="bench",db="{}",cf="{}"'
            name = "restate_rocksdb_live_sst_files_size_bytes"
            lines = [f"{name}{{{labels.format('db', each)}}} {size}\n\n" for each, size in sizes.items()]
            lines += [f"{name}{{{labels.format('log-store', 'data')}}} 4000\n", f"{name[:-10]}ratio 5\n"]
            self.send_response(200)
            self.end_headers()
            self.wfile.write("".join(lines if self.path == "/metrics" else []).encode())

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever).start()
        node = f"http://127.0.0.1:{server.server_port}"
        assert RestateStore(str(program), node).bytes() == {"partitions": 1_500}
        assert f"--address {node} --database partition-store" in told.read_text()
        program.write_text("#!/bin/sh\nexit 1\n")
        for store in (RestateStore(str(program), node), RestateStore("/bin/true", f"{node}/elsewhere")):
            with pytest.raises(Failed, match="Restate: what it stores cannot be told: "):
                Side("Restate", [], {}, tmp_path / "log", [store]).stored_in()
        server.shutdown()
