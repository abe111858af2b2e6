"""Whoever is cancelled in the middle of a session leaves no connection behind, whenever that is and however often."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from cairn.persistence.session import Database, create_engine


class Cancelled:
    """A coroutine that is cancelled at some of the moments at which it waits, counted from 1."""

    def __init__(self, work: Coroutine[Any, Any, None], moments: set[int]) -> None:
        self.work = work
        self.moments = moments
        self.waited = 0

    def __await__(self) -> Generator[Any, Any, None]:
        steps, thrown = self.work.__await__(), None
        while True:
            try:
                waits_for = next(steps) if thrown is None else steps.throw(thrown)
            except StopIteration:
                return
            self.waited += 1
            if self.waited in self.moments:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                thrown = None
                yield waits_for
            except asyncio.CancelledError as error:
                thrown = error


async def read(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("SELECT 1"))
        await session.execute(text("SELECT 2"))


async def write(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("UPDATE folders SET name = name"))


@pytest.fixture
def left(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[object]]]:
    """Return what a program that has ended left: warnings, errors of threads, connections at the server."""
    errors: list[object] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    url = make_url(database_url)

    def connections() -> list[object]:
        if url.get_backend_name() == "sqlite":
            return []
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
            others = "SELECT state, query FROM pg_stat_activity WHERE datname = current_database()"
            end = time.monotonic() + 10
            # The server takes a moment to see that a client is gone; of what was really left, nobody lets go.
            while found := connection.execute(f"{others} AND pid <> pg_backend_pid()").fetchall():
                if time.monotonic() > end:
                    break
                connection.rollback()  # the view stands still within a transaction
                time.sleep(0.02)
            return [*found]

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")

        def told() -> list[object]:
            gc.collect()
            found = [*errors, *(str(each.message) for each in warned), *connections()]
            errors.clear()
            warned.clear()
            return found

        yield told


def _run(url: str, main: Callable[[Database], Awaitable[None]]) -> None:
    async def program() -> None:
        database = Database(create_engine(url))
        await main(database)
        await database.dispose()

    asyncio.run(program())


@pytest.mark.timeout(60)
@pytest.mark.parametrize("warm", [False, True], ids=["first use", "later use"])
@pytest.mark.parametrize("work", [read, write])
def test_a_cancelled_session_gives_its_connection_back(
    database_url: str,
    left: Callable[[], list[object]],
    work: Callable[[Database], Coroutine[Any, Any, None]],
    warm: bool,
) -> None:
    def cancelled_at(*moments: int) -> int:
        async def main(database: Database) -> None:
            nonlocal waited
            if warm:
                await read(database)
            worker = Cancelled(work(database), set(moments))

            async def run() -> None:
                await worker

            await asyncio.gather(asyncio.create_task(run()), return_exceptions=True)
            waited = worker.waited

        waited = 0
        _run(database_url, main)
        return waited

    every = cancelled_at(0)
    assert every > 2
    for moment in range(1, every + 1):
        cancelled_at(moment)
        cancelled_at(moment, moment + 1)
    assert left() == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", range(3))
def test_many_cancelled_at_once_leave_nothing(database_url: str, left: Callable[[], list[object]], seed: int) -> None:
    chosen = random.Random(seed)

    async def main(database: Database) -> None:
        tasks = [asyncio.create_task((read, write)[n % 2](database)) for n in range(8)]
        for _ in range(4):
            for task in tasks:
                if chosen.random() < 0.4:
                    task.cancel()
            for _ in range(chosen.randrange(12)):
                await asyncio.sleep(0)

    _run(database_url, main)
    assert left() == []


def test_the_end_waits_for_whoever_has_a_session(database_url: str, left: Callable[[], list[object]]) -> None:
    done: list[str] = []

    async def main(database: Database) -> None:
        begun, goes_on = asyncio.Event(), asyncio.Event()

        async def long() -> None:
            async with database.session() as session:
                await session.execute(text("SELECT 1"))
                begun.set()
                await goes_on.wait()
                await session.execute(text("SELECT 2"))
            done.append("session")

        async def end() -> None:
            await database.dispose()
            done.append("dispose")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(long())
            await begun.wait()
            tasks.create_task(end())
            for _ in range(5):
                await asyncio.sleep(0)
            goes_on.set()

    _run(database_url, main)
    assert done == ["session", "dispose"]
    assert left() == []


def test_the_end_does_not_wait_for_ever(
    database_url: str, left: Callable[[], list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairn.persistence.session.PATIENCE", 0.01)

    async def main(database: Database) -> None:
        async with database.session() as session:
            await session.execute(text("SELECT 1"))
            await database.dispose()
            await session.execute(text("SELECT 2"))

    _run(database_url, main)
    assert left() == []
