"""Temporal's server is killed (-9) and started again on the same data, in the middle of an execution and of a reset."""

from __future__ import annotations

import asyncio

import pytest
from crash.conftest import holding, spending
from crash.site import SOON, Site, new_key
from graphs import sequence
from installation import soon

from chaos.programs import until


@pytest.mark.timeout(240)
async def test_everything_survives_the_death_of_temporal(site: Site, abc: str) -> None:
    gate, key, tag = new_key(), new_key(), new_key()
    busy = await site.start(sequence(spending("a"), holding("held", gate), spending("c")))
    await site.called("held", busy)
    done = await site.start(abc)
    await site.reach(done, "completed")
    path, body = f"/executions/{done}/replay", {"checkpoint_name": "a"}
    site.worker.freeze()  # or the reset would be over before Temporal is dead
    try:
        asking = asyncio.create_task(site.post(path, body, key))
        await until(lambda: site.reset_is_open(done), SOON, "the operation")
        await site.temporal.kill()
    finally:
        site.worker.thaw()
    later = {"workflow_id": abc, "input_data": {}, "metadata": {"tag": tag}}
    async with asyncio.timeout(15):  # how soon it is otherwise: tests/api/test_temporal_away.py
        accepted = await site.post("/executions", later, new_key())
    assert (accepted.status_code, accepted.json()["status"]) == (201, "running")
    assert accepted.json()["status_detail"] == "waiting for Temporal"
    await _everything_else_is_unavailable(site, busy, done)
    (listed,) = await site.tagged(tag)
    assert (listed["status"], listed["status_detail"]) == ("running", "waiting for Temporal")

    cut_off = await asking
    assert (cut_off.status_code, "Retry-After" in cut_off.headers) == (503, True)

    await site.up()
    site.ledger.open(gate)
    await site.reach(busy, "completed")
    assert len(set(site.calls("held", busy))) == 1
    assert [len(set(site.effects(name, busy))) for name in ("a", "held", "c")] == [1, 1, 1]

    reply = await site.post_again(path, body, key)
    assert reply.status_code == 200, reply.text
    await site.reach(done, "completed")
    assert len(await site.resets(done)) == 1
    assert [len(set(site.effects(name, done))) for name in "abc"] == [1, 2, 2]

    started = await site.reach(accepted.json()["id"], "completed")
    assert [len(site.calls(name, started["id"])) for name in "abc"] == [1, 1, 1]
    assert (await site.caller.http.get("/ready")).status_code == 200


@pytest.mark.timeout(240)
@pytest.mark.parametrize("step", ["after a cancellation was announced", "after Temporal was asked for a cancellation"])
async def test_a_cancellation_counts_once_whatever_dies_with_it(site: Site, step: str) -> None:
    await site.will_crash(site.worker, step)
    gate = new_key()
    execution_id = await site.start(sequence(holding("held", gate), spending("b")))
    await site.called("held", execution_id)
    cancel = asyncio.create_task(site.command(execution_id, "cancel"))
    await site.died(site.worker)
    await site.temporal.kill()  # and with it what it knew of the command beside what it has written
    await site.up(worker=False)
    await site.restart(site.worker)
    cancelled = await site.reach(execution_id, "cancelled")
    assert [(await cancel)["revision"], cancelled["revision"]] == [1, 1]
    site.ledger.open(gate)
    assert not site.calls("b", execution_id)


async def _everything_else_is_unavailable(site: Site, busy: str, done: str) -> None:
    at = "/api/v1/executions"
    http = site.caller.http
    calls = {
        "get": lambda: http.get(f"{at}/{busy}"),
        "events": lambda: http.get(f"{at}/{busy}/events"),
        "checkpoints": lambda: http.get("/api/v1/checkpoints", params={"execution_id": busy}),
        "pause": lambda: http.post(f"{at}/{busy}/pause", json={}),
        "resume": lambda: http.post(f"{at}/{busy}/resume", json={}),
        "cancel": lambda: http.post(f"{at}/{busy}/cancel", json={}),
        "patch": lambda: http.patch(f"{at}/{busy}", json={"state_patch": {"n": 1}}),
        "replay": lambda: http.post(f"{at}/{done}/replay", json={"checkpoint_name": "a"}),
        "rollback": lambda: http.post(f"{at}/{done}/rollback", json={"checkpoint_name": "a"}),
        "ready": lambda: http.get("/ready"),
    }
    replies = await soon(lambda: asyncio.gather(*(call() for call in calls.values())))
    for name, reply in zip(calls, replies, strict=True):
        assert reply.status_code == 503, (name, reply.status_code, reply.text)
        if name != "ready":
            assert reply.headers["Retry-After"], name
