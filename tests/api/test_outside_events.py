"""Events from outside, sent to executions that wait for them, or will."""

from __future__ import annotations

import asyncio

import pytest
from graphs import node, noting, sequence, waiting
from installation import Cairn, idle_cairn, until  # noqa: F401
from served import Caller, Callers

from cairn.domain.executions.outside import Event, send_event
from cairn.errors import Conflict
from cairn.graph import waits

PAYLOAD_LIMIT = 1024 * 1024


def waits_for(name: str, **event) -> dict:
    return sequence(
        node("wait", "wait", event={"name": name, **event}), node("end", "end", output={"got": "outputs.wait"})
    )


async def send(caller: Caller, execution_id: str, /, key: str | None = None, **body):
    headers = {"Idempotency-Key": key} if key else {}
    return await caller.http.post(f"/api/v1/executions/{execution_id}/events", json=body, headers=headers)


async def test_an_event_is_what_the_wait_returns(caller: Caller, world) -> None:
    execution = await caller.start(waits_for("paid"))
    reply = await send(caller, execution["id"], name="paid", payload={"amount": 5}, event_id="evt-1")
    assert (reply.status_code, reply.json()) == (
        202,
        {"event_id": "evt-1", "execution_id": execution["id"], "accepted": True},
    )
    assert (await caller.reach(execution["id"], "completed"))["output_data"] == {"got": {"amount": 5}}
    late = await send(caller, execution["id"], name="paid")
    assert (late.status_code, late.json()["code"]) == (409, "execution_closed")


async def test_an_event_that_comes_early_is_kept(caller: Caller, world) -> None:
    execution = await caller.start(
        sequence(
            waiting("gate"),
            node("wait", "wait", event={"name": "paid"}),
            node("end", "end", output={"got": "outputs.wait"}),
        )
    )
    assert (await send(caller, execution["id"], name="paid", payload=1)).status_code == 202
    world.gate("gate").set()
    assert (await caller.reach(execution["id"], "completed"))["output_data"] == {"got": 1}


async def test_the_correlation_says_which_wait_is_meant(caller: Caller, world) -> None:
    definition = waits_for("paid", correlation="input.order")
    execution = await caller.start(definition, input_data={"order": "b"})
    await send(caller, execution["id"], name="other", correlation="b", payload=0)
    await send(caller, execution["id"], name="paid", correlation="a", payload=1)
    await send(caller, execution["id"], name="paid", correlation="b", payload=2)
    assert (await caller.reach(execution["id"], "completed"))["output_data"] == {"got": 2}


async def test_the_same_event_is_one(caller: Caller, world) -> None:
    two = sequence(
        node("one", "wait", event={"name": "tick"}),
        node("two", "wait", event={"name": "tick"}),
        node("end", "end", output={"got": "[outputs.one, outputs.two]"}),
    )
    execution = await caller.start(two)
    for _ in range(2):
        await send(caller, execution["id"], name="tick", payload=1, event_id="first")
    keyed = [await send(caller, execution["id"], name="tick", payload=2, key="k") for _ in range(2)]
    assert keyed[1].headers["Idempotent-Replayed"] == "true" and keyed[0].content == keyed[1].content
    assert (await caller.reach(execution["id"], "completed"))["output_data"] == {"got": [1, 2]}


async def test_the_event_by_which_an_execution_ended_is_no_refusal_when_it_is_sent_again(caller: Caller, world) -> None:
    """Whoever was not answered sends it again, under its key; an id is made of that."""
    execution = await caller.start(waits_for("paid"))
    keyed = await send(caller, execution["id"], name="paid", key="k")
    await caller.reach(execution["id"], "completed")
    again = await send(caller, execution["id"], name="paid", event_id=keyed.json()["event_id"])
    assert (again.status_code, again.json()) == (202, keyed.json())
    other = await send(caller, execution["id"], name="paid", event_id="evt-2")
    assert (other.status_code, other.json()["code"]) == (409, "execution_closed")


async def test_what_is_refused(callers: Callers, world) -> None:
    caller = await callers.new()
    execution = await caller.start(waits_for("paid"))
    assert (await send(caller, "unknown", name="paid")).status_code == 404
    assert (await send(await callers.new(), execution["id"], name="paid")).status_code == 404
    reader = await callers.new(caller.tenant, scopes=["executions:read"])
    assert (await send(reader, execution["id"], name="paid")).status_code == 403
    for wrong in ({}, {"name": ""}, {"name": 5}, {"name": "paid", "event_id": "a b"}):
        assert (await send(caller, execution["id"], **wrong)).status_code == 422
    large = await send(caller, execution["id"], name="paid", payload="x" * PAYLOAD_LIMIT)
    assert (large.status_code, large.json()["code"]) == (413, "event_too_large")
    # 1 MiB less the rest of the document passes.
    fits = await send(caller, execution["id"], name="paid", payload="x" * (PAYLOAD_LIMIT - 100))
    assert fits.status_code == 202
    await caller.reach(execution["id"], "completed")


async def test_more_events_than_are_kept_are_refused(caller: Caller, world, monkeypatch) -> None:
    monkeypatch.setattr(waits, "INBOX", 3)
    paid, tick = (node(name, "wait", event={"name": name}) for name in ("paid", "tick"))
    execution = await caller.start(sequence(waiting("gate"), paid, tick))
    sent = [await send(caller, execution["id"], name="other", event_id=f"o{n}") for n in range(3)]
    assert {reply.status_code for reply in sent} == {202}
    full = await send(caller, execution["id"], name="paid", event_id="p")
    assert (full.status_code, full.json()["code"]) == (409, "inbox_full")
    # One that it has already is not one more.
    assert (await send(caller, execution["id"], name="other", event_id="o1")).status_code == 202
    world.gate("gate").set()

    async def taken(name: str) -> bool:
        return (await send(caller, execution["id"], name=name, event_id=name)).status_code == 202

    # What somebody waits for is taken, however much lies there that nobody waits for.
    await until(lambda: taken("paid"))
    await until(lambda: taken("tick"))
    await caller.reach(execution["id"], "completed")


async def test_bytes_of_events_are_bounded_and_nobody_has_to_run_for_it(idle_cairn: Cairn, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr(waits, "INBOX_BYTES", 1000)
    execution = await idle_cairn.run(waits_for("paid"))

    async def told(size: int) -> str:
        async with idle_cairn.executions() as service:
            return await send_event(service, execution.id, Event("paid", "x" * size))

    await told(400)
    await told(400)
    with pytest.raises(Conflict) as refused:
        await told(400)
    assert refused.value.code == "inbox_full"
    await told(50)


async def test_many_events_at_once_all_arrive(caller: Caller, world) -> None:
    names = [f"e{n}" for n in range(5)]
    graph = sequence(*[node(name, "wait", event={"name": name}) for name in names], noting("after"))
    execution = await caller.start(graph)
    replies = await asyncio.gather(*[send(caller, execution["id"], name=name) for name in reversed(names)])
    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.json()["event_id"] for reply in replies}) == 5
    await caller.reach(execution["id"], "completed")
