"""What callers hear while Temporal is away: quickly, and nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from graphs import noting, sequence
from installation import Cairn, soon, until
from served import Caller, Callers, served

from cairn.domain.executions.reconcile import Reconciler
from cairn.persistence.session import Database, create_engine
from cairn.persistence.types import utc_now
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal.connection import connect


@pytest.fixture(params=["refuses", "is silent"])
def away(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[Settings]:
    """Settings of an installation whose Temporal refuses connections, or takes them and says nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = find_free() if request.param == "refuses" else silent.getsockname()[1]
        yield Settings(home=tmp_path, database_url=database_url, temporal_port=port, tool_modules=["system_tools"])


@pytest.fixture
async def callers(away: Settings) -> AsyncIterator[Callers]:
    database = Database(create_engine(away.database))
    async with served(away) as url:
        made = Callers(url, database, away)
        yield made
        await made.close()
    await database.dispose()


async def test_an_execution_is_accepted_and_waits(caller: Caller) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    keys = map(str, itertools.count())
    sent: list[dict[str, dict[str, str]]] = []

    async def start() -> httpx2.Response:
        sent.append({"json": {"workflow_id": workflow["uuid"]}, "headers": {"Idempotency-Key": next(keys)}})
        return await caller.http.post("/api/v1/executions", **sent[-1])

    reply = await soon(start)
    assert reply.status_code == 201
    started = reply.json()
    assert (started["status"], started["status_detail"]) == ("running", "waiting for Temporal")
    again = await caller.http.post("/api/v1/executions", **sent[-1])
    assert again.headers["Idempotent-Replayed"] == "true" and again.json()["id"] == started["id"]
    listed = (await caller.http.get("/api/v1/executions?status=running")).json()
    assert len(listed["items"]) == len(sent) and started["id"] in [item["id"] for item in listed["items"]]


async def test_every_other_call_is_unavailable_within_five_seconds(caller: Caller) -> None:
    execution = await caller.start(sequence(noting("a")))
    path = f"/api/v1/executions/{execution['id']}"
    calls = [
        ("GET", path, None),
        ("GET", f"{path}/events", None),
        ("GET", f"{path}/checkpoints/chk_1", None),
        ("GET", f"/api/v1/checkpoints?execution_id={execution['id']}", None),
        ("GET", f"/api/v1/checkpoints/chk_1?execution_id={execution['id']}", None),
        ("PATCH", path, {"state_patch": {}}),
        ("POST", f"{path}/pause", None),
        ("POST", f"{path}/resume", None),
        ("POST", f"{path}/cancel", None),
        ("POST", f"{path}/replay", {"checkpoint_name": "start"}),
        ("POST", f"{path}/rollback", {"checkpoint_name": "start"}),
    ]

    async def ask() -> list[httpx2.Response]:
        asked = (caller.http.request(method, url, json=body) for method, url, body in calls)
        return await asyncio.gather(*asked)

    replies = await soon(ask)
    for reply, (_, url, _) in zip(replies, calls, strict=True):
        assert (reply.status_code, reply.json()["code"]) == (503, "temporal_unavailable"), url
        assert int(reply.headers["Retry-After"]) >= 1
    # What is not there is not there, Temporal or not.
    assert (await caller.http.get("/api/v1/executions/unknown")).status_code == 404


async def test_a_refusal_for_want_of_temporal_is_not_kept(caller: Caller) -> None:
    execution = await caller.start(sequence(noting("a")))
    path = f"/api/v1/executions/{execution['id']}/rollback"
    send = {"json": {"checkpoint_name": "start"}, "headers": {"Idempotency-Key": "k"}}
    for _ in range(2):
        reply = await caller.http.post(path, **send)
        assert reply.status_code == 503 and "Idempotent-Replayed" not in reply.headers


async def test_readiness_tells_what_is_away(caller: Caller, callers: Callers) -> None:
    reply = await soon(lambda: callers.client().get("/ready"))
    assert reply.status_code == 503
    checks = reply.json()["checks"]
    assert (checks["database"]["ok"], checks["temporal"]["ok"], checks["workers"]["ok"]) == (True, False, False)
    assert checks["temporal"]["detail"]
    assert (await callers.client().get("/health")).status_code == 200


async def test_what_waited_starts_when_temporal_is_there(
    caller: Caller, away: Settings, temporal_port: int, task_queue: str, world
) -> None:
    execution = await caller.start(sequence(noting("a")))
    there = away.model_copy(update={"temporal_port": temporal_port, "task_queue": task_queue})
    database = Database(create_engine(there.database))
    installation = Cairn(there, database, await connect(there, lazy=False))
    async with served(there) as url, installation.worker():
        callers = Callers(url, database, there)
        again = Caller(callers.client({"X-API-Key": caller.key}), caller.tenant, caller.key)
        reconciler = Reconciler(database, installation.temporal, utc_now())

        async def started() -> bool:
            await reconciler.start_pending()
            return (await again.get(execution["id"]))["status_detail"] is None

        await until(started)
        done = await again.reach(execution["id"], "completed")
        assert done["status_detail"] is None
        await callers.close()
    await database.dispose()
    assert world.of(execution["id"]) == ["a"]


async def test_a_schedule_is_not_made_then(caller: Caller) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    send = {"json": {"workflow_id": workflow["uuid"], "spec": {"cron": "@daily"}}, "headers": {"Idempotency-Key": "k"}}
    reply = await soon(lambda: caller.http.post("/api/v1/schedules", **send))
    assert (reply.status_code, reply.json()["code"]) == (503, "temporal_unavailable")
    assert float(reply.headers["Retry-After"]) > 0
    assert (await caller.http.get("/api/v1/schedules")).json()["total"] == 0
