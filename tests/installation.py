"""Cairn as it runs: a worker, a database and the session's Temporal server; callers use the domain's services."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

# The rest of Cairn is imported by the fixtures that need it: a run of one pure test starts three times as fast.
if TYPE_CHECKING:
    import system_tools
    from temporalio.client import Client

    from cairn.contracts.json import JsonObject
    from cairn.domain.executions.model import Execution
    from cairn.persistence.session import Database
    from cairn.settings import Settings

DEADLINE = 30.0
T = TypeVar("T")
HISTORIES = Path(__file__).parent / "histories" / "next"


async def until(condition: Callable[[], Awaitable[object] | object], deadline: float = DEADLINE):
    """Poll until the condition holds; return its value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, "the condition did not come to hold in time"
        await asyncio.sleep(0.02)


async def soon(call: Callable[[], Awaitable[T]], within: float = 5.0, tries: int = 3) -> T:
    """Return what the call gives; it has to be there within these seconds in one of the tries.

    A machine that stands still for a second must not fail a test; a call that waits too long does so each time.
    """
    while True:
        began = time.monotonic()
        value = await call()
        if (took := time.monotonic() - began) < within:
            return value
        tries -= 1
        assert tries, f"it took {took:.1f} s"


class Cairn:
    """One installation."""

    def __init__(self, settings: Settings, database: Database, client: Client) -> None:
        from cairn.domain.principal import Principal
        from cairn.temporal.executions import ExecutionClient

        self.settings = settings
        self.database = database
        self.client = client
        self.temporal = ExecutionClient(client, settings)
        self.started: list[str] = []
        self.compensations = []  # of the latest rollback
        self.principal = Principal("acme", True, frozenset({"*"}), "ann", "human", "key_test")

    @asynccontextmanager
    async def worker(self):
        from worker import running_worker

        async with running_worker(self.client, self.database, self.settings) as running:
            # The SDK breaks a workflow task off after two seconds: beside much else a thread may wait as long.
            assert running._workflow_worker is not None
            running._workflow_worker._deadlock_timeout_seconds = 20
            yield running

    async def publish(
        self, definition: JsonObject, name: str = "graph", configuration: JsonObject | None = None
    ) -> str:
        from cairn.domain.graphs.service import GraphService
        from cairn.graph.validate import ValidationContext

        async with self.database.transaction() as session:
            context = ValidationContext(known_tools=None)
            graph = await GraphService(session, self.principal.scope, "ann", context).create(
                name, definition, configuration
            )
            assert graph.published is not None, graph.issues
            return graph.uuid

    @asynccontextmanager
    async def executions(self):
        from cairn.domain.executions.service import ExecutionService

        async with self.database.session() as session:
            yield ExecutionService(session, self.temporal, self.principal, self.settings)
            await session.commit()

    async def start(self, workflow_id: str, input_data: JsonObject | None = None, **more) -> Execution:
        from cairn.domain.executions.model import StartExecution

        async with self.executions() as service:
            row = await service.create(StartExecution(workflow_id, input_data or {}, **more))
            await service.session.commit()
            self.started.append(row.temporal_id)
            return await service.start(row)

    async def run(self, definition: JsonObject, input_data: JsonObject | None = None) -> Execution:
        return await self.start(await self.publish(definition), input_data)

    async def get(self, execution_id: str) -> Execution:
        async with self.executions() as service:
            return await service.get(execution_id)

    async def reach(self, execution_id: str, status: str) -> Execution:
        async def reached() -> Execution | None:
            now = await self.get(execution_id)
            if now.status == status:
                return now
            assert now.status in ("running", "paused"), f"{now.status}: {now.error}"
            return None

        return await until(reached)

    async def reset(self, execution_id: str, kind: str, checkpoint: str, key: str | None = None, **more) -> Execution:
        """Reset to a checkpoint given by name (the latest) or id."""
        from cairn.domain.executions.model import ResetCommand
        from cairn.domain.executions.resets import ResetService

        by = {"checkpoint_id": checkpoint} if checkpoint.startswith("chk_") else {"checkpoint_name": checkpoint}
        async with self.executions() as service:
            made = await ResetService(service).reset(execution_id, ResetCommand(kind, **by, **more), key)
        self.compensations = made.compensations
        return made.execution

    async def history(self, execution_id: str, run_id: str | None = None):
        handle = self.client.get_workflow_handle(execution_id, run_id=run_id)
        return await handle.fetch_history()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-histories", action="store_true", help="store the histories of tests marked `history`")


async def record_history(request: pytest.FixtureRequest, cairn: Cairn) -> None:
    """Store the history of the test's execution: behaviour that will be released and then has to stay replayable."""
    marker = request.node.get_closest_marker("history")
    if marker is not None and request.config.getoption("--record-histories"):
        (execution,) = cairn.started
        run_id = await _first_run(cairn, execution) if marker.kwargs.get("first_run") else None
        history = await cairn.history(execution, run_id)
        told = json.dumps(_impersonal(json.loads(history.to_json())), indent=2)
        file = HISTORIES / f"{marker.args[0]}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(told + "\n")


async def _first_run(cairn: Cairn, execution: str) -> str:
    """Return the run in which an execution began that has gone on in others."""
    run_id = (await cairn.temporal.require(execution)).run_id
    while (before := await cairn.temporal.reader.continued_from(execution, run_id)) is not None:
        run_id = before
    return run_id


def _impersonal(value):
    """Leave out on which machine the history was recorded."""
    if isinstance(value, list):
        return [_impersonal(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _impersonal(each) for key, each in value.items() if key not in ("identity", "stackTrace")}


@pytest.fixture
def world() -> system_tools.World:
    import system_tools

    system_tools.world.__init__()
    return system_tools.world


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str, temporal_port: int, task_queue: str) -> Settings:
    from cairn.settings import Settings

    return Settings(
        home=tmp_path,
        database_url=sqlite_url,
        temporal_port=temporal_port,
        task_queue=task_queue,
        tool_modules=["system_tools"],
        http_allow_private=True,
    )


@pytest.fixture
async def idle_cairn(settings: Settings, world: system_tools.World) -> AsyncIterator[Cairn]:
    """An installation without a worker."""
    from cairn.persistence.session import Database, create_engine
    from cairn.temporal.connection import connect

    database = Database(create_engine(settings.database))
    yield Cairn(settings, database, await connect(settings, lazy=False))
    await database.dispose()


@pytest.fixture
async def cairn(idle_cairn: Cairn, request: pytest.FixtureRequest) -> AsyncIterator[Cairn]:
    """An installation with a worker in this process."""
    import system_tools

    async with idle_cairn.worker():
        yield idle_cairn
        await record_history(request, idle_cairn)
        system_tools.let_go()
