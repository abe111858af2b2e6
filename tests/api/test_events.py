"""The stream of an execution's events."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from graphs import noting, sequence, waiting
from installation import Cairn
from served import Caller, Callers, served

TERMINAL = ("completed", "failed", "cancelled")


@asynccontextmanager
async def events(caller: Caller, execution_id: str, after: int | None = None) -> AsyncIterator:
    """Follow an execution; give an iterator of (id, data)."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    path = f"/api/v1/executions/{execution_id}/events"
    async with caller.http.stream("GET", path, headers=headers) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")

        async def parsed():
            lines: dict[str, str] = {}
            async for line in reply.aiter_lines():
                if line.startswith(":"):
                    continue
                name, _, value = line.partition(": ")
                if name:
                    lines[name] = value
                elif lines:
                    yield int(lines["id"]), json.loads(lines["data"])
                    lines = {}

        yield parsed()


async def test_a_stream_tells_all_and_ends_with_the_execution(caller: Caller, world) -> None:
    execution = await caller.start(sequence(noting("a"), waiting("b")))
    seen = []
    async with events(caller, execution["id"]) as stream:
        async for number, event in stream:
            assert number == event["seq"]
            seen.append(event)
            if event["type"] == "node_started" and event["node_id"] == "b":
                world.gate("b").set()
    assert [event["seq"] for event in seen] == sorted({event["seq"] for event in seen})
    assert all(event["execution_id"] == execution["id"] and event["lineage"] for event in seen)
    assert all(event["at"].endswith("Z") for event in seen)
    assert seen[-1]["type"] == "status" and seen[-1]["data"]["status"] == "completed"
    completed = [event["node_id"] for event in seen if event["type"] == "node_completed"]
    assert [node for node in completed if node in "ab"] == ["a", "b"]
    told = [event["data"]["checkpoint_id"] for event in seen if event["type"] == "checkpoint"]
    assert told == [c["id"] for c in (await caller.get(execution["id"]))["checkpoints"]][1:]


async def test_a_stream_that_was_cut_goes_on_where_it_was(caller: Caller, world) -> None:
    execution = await caller.start(sequence(noting("a"), noting("b")))
    await caller.reach(execution["id"], "completed")
    async with events(caller, execution["id"]) as stream:
        whole = [event async for _, event in stream]
    for cut in range(len(whole)):
        async with events(caller, execution["id"], whole[cut]["seq"]) as stream:
            assert [event async for _, event in stream] == whole[cut + 1 :]


async def test_a_stream_goes_on_over_a_rollback_and_a_resume(caller: Caller, world) -> None:
    world.failing.add("b")
    execution = await caller.start(sequence(noting("a"), noting("b")))
    await caller.reach(execution["id"], "failed")
    async with events(caller, execution["id"]) as stream:
        before = [event async for _, event in stream]
    path = f"/api/v1/executions/{execution['id']}"
    world.failing.clear()
    assert (await caller.http.post(f"{path}/rollback", json={"checkpoint_name": "a"})).status_code == 200
    after = []
    async with events(caller, execution["id"], before[-1]["seq"]) as stream:
        async for _, event in stream:
            after.append(event)
            if event["type"] == "status" and event["data"]["status"] == "paused":
                assert (await caller.http.post(f"{path}/resume")).status_code == 200
    assert "reset" in [event["type"] for event in after]
    assert after[0]["seq"] > before[-1]["seq"]
    assert after[-1]["data"]["status"] == "completed"
    assert after[-1]["lineage"] != before[-1]["lineage"]


async def test_a_stream_of_nothing_is_refused_before_it_begins(caller: Caller) -> None:
    reply = await caller.http.get("/api/v1/executions/unknown/events")
    assert reply.status_code == 404 and reply.json()["code"] == "execution_not_found"
    for bad in ("x", "-1"):
        reply = await caller.http.get("/api/v1/executions/any/events", headers={"Last-Event-ID": bad})
        assert reply.status_code == 422


async def test_a_server_that_stops_ends_its_streams(lasting: Cairn, caller: Caller, world) -> None:
    execution = await caller.start(sequence(waiting("a")))
    serving = served(lasting.settings, patience=60)
    callers = Callers(await serving.__aenter__(), lasting.database, lasting.settings)
    other = Caller(callers.client({"X-API-Key": caller.key}), caller.tenant, caller.key)
    async with events(other, execution["id"]) as stream:
        first, _ = await anext(stream)
        began = time.monotonic()
        await serving.__aexit__(None, None, None)
        assert time.monotonic() - began < 30
        with contextlib.suppress(httpx2.RemoteProtocolError):  # so a client sees that it was cut
            async for _ in stream:
                pass
    await callers.close()
    async with events(caller, execution["id"], first) as stream:
        number, _ = await anext(stream)
        assert number > first
