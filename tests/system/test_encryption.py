"""Encrypted executions on a real Temporal server."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from graphs import node, noting, sequence, waiting
from installation import Cairn, until
from temporalio.api.enums.v1 import EventType

from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings
from cairn.temporal.connection import connect
from cairn.temporal.encryption import PayloadKeyUnknown

K1, K2 = (f"k{n}:{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
SECRET = "the-patients-name"
LARGE = SECRET * 8_000
GRAPH = sequence(
    noting("note"),
    node("pass", "tool", tool="echo", arguments={"value": "input.text"}),
    noting("again"),
    node("end", "end", output={"text": "outputs.pass"}),
)
FAILING = sequence(node("fail", "tool", tool="note", arguments={"entry": "input.text"}))
WAITING = sequence(waiting("one"), waiting("two"), node("end", "end", output={"text": "input.text"}))


@asynccontextmanager
async def installation(settings: Settings, keys: str | None) -> AsyncIterator[Cairn]:
    """The same installation, its processes started with these keys."""
    settings = Settings(**{**settings.model_dump(exclude_none=True), "payload_keys": keys})
    database = Database(create_engine(settings.database))
    yield Cairn(settings, database, await connect(settings, lazy=False))
    await database.dispose()


async def everything_stored(cairn: Cairn, execution_id: str) -> bytes:
    """All that Temporal and the blobs hold of an execution's current run."""
    history = await cairn.history(execution_id)
    description = await cairn.client.get_workflow_handle(execution_id).describe()
    files = [path.read_bytes() for path in (cairn.settings.home / "blobs").rglob("*") if path.is_file()]
    events = [event.SerializeToString() for event in history.events]
    return b"\n".join([*events, description.raw_description.SerializeToString(), *files])


@pytest.mark.parametrize("text", [SECRET, LARGE])
async def test_history_and_blobs_hold_no_plaintext_and_everybody_with_the_key_sees_all(
    settings: Settings, world, text: str
) -> None:
    async with installation(settings, K1) as cairn, cairn.worker():
        execution = await cairn.run(GRAPH, {"text": text})
        done = await cairn.reach(execution.id, "completed")
        assert (done.input_data, done.output_data) == ({"text": text}, {"text": text})
        assert SECRET.encode() not in await everything_stored(cairn, execution.id)
        again = await cairn.reset(execution.id, "rollback", "pass", state_patch={"noted": [SECRET]})
        assert again.status in ("paused", "running")
        assert SECRET.encode() not in await everything_stored(cairn, execution.id)


async def test_a_replay_goes_on_with_the_same_values(settings: Settings, world) -> None:
    async with installation(settings, K1) as cairn, cairn.worker():
        execution = await cairn.run(GRAPH, {"text": LARGE})
        await cairn.reach(execution.id, "completed")
        await cairn.reset(execution.id, "replay", "pass")
        done = await cairn.reach(execution.id, "completed")
        assert done.output_data == {"text": LARGE}
        assert SECRET.encode() not in await everything_stored(cairn, execution.id)


async def test_a_failure_tells_history_nothing_and_the_caller_all(settings: Settings, world) -> None:
    world.failing.add(SECRET)
    async with installation(settings, K1) as cairn, cairn.worker():
        execution = await cairn.run(FAILING, {"text": SECRET})
        failed = await cairn.reach(execution.id, "failed")
        assert failed.error["code"] == "planned"
        assert f"{SECRET} is failing" in failed.error["message"]
        stored = await everything_stored(cairn, execution.id)
        assert SECRET.encode() not in stored and b"is failing" not in stored and b".py" not in stored


async def test_keys_change_in_the_middle_of_an_execution(settings: Settings, world) -> None:
    """From plain to the first key to the second, in an execution that never notices."""
    async with installation(settings, None) as cairn, cairn.worker():
        execution = await cairn.run(WAITING, {"text": SECRET})
        await pause_at(cairn, execution.id, "one", world)
    async with installation(settings, K1) as cairn, cairn.worker():
        async with cairn.executions() as service:
            await service.resume(execution.id)
        await pause_at(cairn, execution.id, "two", world)
    async with installation(settings, f"{K2},{K1}") as cairn, cairn.worker():
        async with cairn.executions() as service:
            await service.resume(execution.id)
        done = await cairn.reach(execution.id, "completed")
        assert done.output_data == {"text": SECRET}
        names = {
            bytes(found)
            for found in re.findall(rb"encryption-key-id\x12.(k[12])", await history_of(cairn, execution.id))
        }
        assert names == {b"k1", b"k2"}
    async with installation(settings, K2) as cairn:
        with pytest.raises(PayloadKeyUnknown, match="'k1'"):
            await cairn.get(execution.id)


async def pause_at(cairn: Cairn, execution_id: str, gate: str, world) -> None:
    """Pause the execution and let the node that waits at the gate end."""
    await until(lambda: world.waiting[gate])
    async with cairn.executions() as service:
        await service.pause(execution_id)
    world.gate(gate).set()
    await until(lambda: world.effects(gate))
    await until(lambda: _checkpoint(cairn, execution_id, gate))


async def _checkpoint(cairn: Cairn, execution_id: str, name: str) -> bool:
    return name in [checkpoint.name for checkpoint in (await cairn.get(execution_id)).checkpoints]


async def history_of(cairn: Cairn, execution_id: str) -> bytes:
    return b"".join(event.SerializeToString() for event in (await cairn.history(execution_id)).events)


async def test_a_worker_without_the_key_does_no_harm(settings: Settings, world) -> None:
    async with installation(settings, K1) as cairn:
        execution = await cairn.run(GRAPH, {"text": SECRET})
        async with installation(settings, K2) as other, other.worker():

            async def refused() -> bool:
                failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
                events = (await cairn.history(execution.id)).events
                return any(event.event_type == failed for event in events)

            await until(refused)
        async with cairn.worker():
            done = await cairn.reach(execution.id, "completed")
            assert done.output_data == {"text": SECRET}
