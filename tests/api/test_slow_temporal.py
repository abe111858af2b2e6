"""A Temporal that takes its time: whoever needs nothing of it is served all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from graphs import noting, sequence
from installation import until
from served import Caller, Callers, served

from cairn.contracts.json import JsonObject
from cairn.errors import Unavailable
from cairn.persistence.session import Database, create_engine
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal.executions import ExecutionClient
from cairn.temporal.schedule_client import ScheduleClient

AT_ONCE = 40
"""More than there are connections to the database."""


class Slow:
    """Temporal, which knows what is started, and answers nothing else before the test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.answers = asyncio.Event()
        for client, name in ((ExecutionClient, "describe"), (ScheduleClient, "describe"), (ScheduleClient, "reach")):
            patch.setattr(client, name, self._answer)
        patch.setattr(ExecutionClient, "start", self._start)

    async def _answer(self, *_: object, **__: object) -> None:
        self.asked += 1
        await self.answers.wait()
        raise Unavailable("Temporal does not answer", code="temporal_unavailable", retry_after=1)

    async def _start(self, *_: object, **__: object) -> str:
        return "run"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


@pytest.fixture
async def callers(database_url: str, tmp_path: Path, slow: Slow) -> AsyncIterator[Callers]:
    settings = Settings(
        home=tmp_path, database_url=database_url, temporal_port=find_free(), tool_modules=["system_tools"]
    )
    database = Database(create_engine(settings.database))
    async with served(settings) as url:
        made = Callers(url, database, settings)
        yield made
        slow.answers.set()
        await made.close()
    await database.dispose()


async def test_requests_that_wait_for_temporal_take_no_connection_from_others(caller: Caller, slow: Slow) -> None:
    execution = await caller.start(sequence(noting("a")))
    path = f"/api/v1/executions/{execution['id']}"
    schedule = {"workflow_id": execution["workflow_id"], "spec": {"cron": "@daily"}}
    asks: list[tuple[str, str, JsonObject | None]] = [
        ("POST", f"{path}/pause", {}),
        ("POST", f"{path}/fork", {"checkpoint_name": "start"}),
        ("POST", f"{path}/rollback", {"checkpoint_name": "start"}),
        ("POST", f"{path}/events", {"name": "paid"}),
        ("POST", "/api/v1/schedules", schedule),
        ("GET", path, None),
        ("GET", f"{path}/diagram", None),
        ("GET", f"{path}/lineage", None),
    ]

    async def ask(number: int) -> int:
        method, url, body = asks[number % len(asks)]
        headers = {"Idempotency-Key": f"key-{number}"} if method == "POST" else {}
        return (await caller.http.request(method, url, json=body, headers=headers)).status_code

    waiting = [asyncio.create_task(ask(number)) for number in range(AT_ONCE)]
    await until(lambda: slow.asked == AT_ONCE or any(task.done() for task in waiting))
    assert slow.asked == AT_ONCE
    listed = await caller.http.get("/api/v1/executions")
    assert listed.status_code == 200 and listed.json()["total"] == 1
    renamed = await caller.http.put(f"/api/v1/workflow/{execution['workflow_id']}", json={"name": "other"})
    assert renamed.status_code == 200, renamed.text
    assert not any(task.done() for task in waiting)
    slow.answers.set()
    assert set(await asyncio.gather(*waiting)) == {503}
