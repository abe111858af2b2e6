"""The start of an execution that is written down already: what the caller is told when something does not answer."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from domain.graphs.authoring import Author, valid

from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.service import ExecutionService
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
