"""Schedules as a caller of the omium surface handles them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from installation import until
from served import Caller

from cairn.contracts.json import JsonObject

PATH = "/api/v1/schedules"
NEVER: JsonObject = {"cron": "0 0 1 1 * 2099"}


async def schedule(caller: Caller, definition: JsonObject, **body) -> JsonObject:
    workflow = await caller.publish(definition)
    reply = await caller.http.post(PATH, json={"workflow_id": workflow["uuid"], "spec": NEVER, **body})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def get(caller: Caller, made: JsonObject) -> JsonObject:
    reply = await caller.http.get(f"{PATH}/{made['id']}")
    assert reply.status_code == 200, reply.text
    return reply.json()


async def post(caller: Caller, made: JsonObject, command: str, **body) -> JsonObject:
    reply = await caller.http.post(f"{PATH}/{made['id']}/{command}", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def recent(caller: Caller, made: JsonObject, statuses: list[str | None]) -> list[JsonObject]:
    """Wait until the last runs, newest first, have the statuses, and those that run their executions."""

    async def reached() -> list[JsonObject] | None:
        runs = (await get(caller, made))["recent_runs"]
        begun = all(run["execution_id"] for run in runs if run["status"] == "running")
        return runs if begun and [run["status"] for run in runs] == statuses else None

    return await until(reached)


async def until_next_second(run: JsonObject) -> None:
    """Firings are named by the second: one more in the same second is the same."""
    after = datetime.fromisoformat(run["scheduled_at"]).replace(microsecond=0) + timedelta(seconds=1)
    await until(lambda: datetime.now(UTC) > after)
