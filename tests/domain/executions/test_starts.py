"""The start of an execution that is written down already: what the caller is told when something does not answer."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from domain.graphs.authoring import Author, valid
from sqlalchemy import select
from sqlmodel import col

from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.service import ExecutionService
from cairn.domain.executions.start import note_start
from cairn.domain.principal import Principal
from cairn.errors import Unavailable
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import ExecutionRow
from cairn.settings import Settings
from cairn.temporal.connection import connect, unavailable
from cairn.temporal.executions import ExecutionClient


@asynccontextmanager
async def written(url: str, temporal: type[ExecutionClient]) -> AsyncIterator[tuple[ExecutionService, ExecutionRow]]:
    """An execution that is written down, and the service that is to start it."""
    database = Database(create_engine(url))
    graph = await Author(database).create("graph", valid())
    principal = Principal("acme", True, frozenset({"*"}), "ann", "human", "key_test")
    try:
        async with database.session() as session:
            settings = Settings()
            client = temporal(await connect(settings), settings)
            service = ExecutionService(session, client, principal, settings)
            row = await service.create(StartExecution(graph.uuid, {}))
            await session.commit()
            yield service, row
    finally:
        await database.dispose()


async def test_without_temporal_it_waits(sqlite_url: str) -> None:
    class Away(ExecutionClient):
        async def start(self, *_args: object, **_more: object) -> str:
            raise unavailable(OSError())

    async with written(sqlite_url, Away) as (service, row):
        started = await service.start(row)
        assert (started.status, started.status_detail) == ("running", "waiting for Temporal")


async def test_that_the_database_does_not_answer_is_told(sqlite_url: str) -> None:
    class Breaking(ExecutionClient):
        async def start(self, *_args: object, **_more: object) -> str:
            with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///"))) as connection:
                connection.execute("DROP TABLE executions")
            return "run"

    async with written(sqlite_url, Breaking) as (service, row):
        with pytest.raises(Unavailable, match="database") as told:
            await service.start(row)
        assert told.value.retry_after


async def test_that_temporal_has_it_is_noted_once_and_seen_at_once(database_url: str) -> None:
    class Taking(ExecutionClient):
        async def start(self, *_args: object, **_more: object) -> str:
            return "run_1"

    async with written(database_url, Taking) as (service, row):
        started = await service.start(row)
        assert (started.status, started.status_detail, started.temporal.run_id) == ("running", None, "run_1")
        database = Database(create_engine(database_url))
        async with database.session() as other:
            seen = (await other.execute(select(ExecutionRow).where(col(ExecutionRow.id) == row.id))).scalar_one()
            assert (seen.status, seen.run_id, seen.started, seen.seed) == ("running", "run_1", True, None)
            assert not await note_start(other, row.temporal_id, "run_2")
            assert service.session.is_modified(row) is False
        await database.dispose()
