"""The API is killed (-9) at each step of what starts or resets something: the same request sent again does it once."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from crash.site import SOON, Site, new_key

from chaos.programs import until

pytestmark = pytest.mark.timeout(240)  # the first test of the folder waits for all of the site
LOST = (httpx2.ReadError, httpx2.RemoteProtocolError)

STARTING = [
    "before the commit",
    "after the commit, before the start",
    "after the start, before the reply is stored",
    "after the reply was stored",
]
RESETTING = [
    "before the commit",
    "after the commit, before the operation is started",
    "after the operation was started",
    "after the reset, before the reply is stored",
    "after the reply was stored",
]


@pytest.mark.parametrize("step", STARTING)
async def test_a_start_sent_again_is_one_execution(site: Site, abc: str, step: str) -> None:
    key, tag = new_key(), new_key()
    body = {"workflow_id": abc, "input_data": {}, "metadata": {"tag": tag}}
    await site.will_crash(site.api, step)
    with pytest.raises(LOST):
        await site.post("/executions", body, key)
    await site.died(site.api)
    await site.restart(site.api)
    assert len(await site.tagged(tag)) == (0 if step == "before the commit" else 1)

    reply = await site.post_again("/executions", body, key)
    assert reply.status_code == 201, reply.text
    assert reply.json()["status"] in ("running", "completed")  # the first try's start may have run to its end by now
    assert ("Idempotent-Replayed" in reply.headers) == (step == "after the reply was stored")
    once_more = await site.post("/executions", body, key)
    assert once_more.json()["id"] == reply.json()["id"]
    assert once_more.headers["Idempotent-Replayed"] == "true"

    (execution,) = await site.tagged(tag)
    assert execution["id"] == reply.json()["id"]
    await site.reach(execution["id"], "completed")
    assert [len(site.calls(name, execution["id"])) for name in "abc"] == [1, 1, 1]


async def test_what_was_committed_starts_though_nobody_asks_again(site: Site, abc: str) -> None:
    tag = new_key()
    body = {"workflow_id": abc, "input_data": {}, "metadata": {"tag": tag}}
    await site.will_crash(site.api, "after the commit, before the start")
    with pytest.raises(LOST):
        await site.post("/executions", body)
    await site.died(site.api)
    await site.restart(site.api)
    (execution,) = await site.tagged(tag)
    await site.reach(execution["id"], "completed")
    assert [len(site.calls(name, execution["id"])) for name in "abc"] == [1, 1, 1]


@pytest.mark.parametrize("kind", ["replay", "rollback"])
@pytest.mark.parametrize("step", RESETTING)
async def test_a_reset_sent_again_is_one_reset(site: Site, abc: str, kind: str, step: str) -> None:
    execution_id = (await site.post("/executions", {"workflow_id": abc, "input_data": {}})).json()["id"]
    before = await site.reach(execution_id, "completed")
    key = new_key()
    path = f"/executions/{execution_id}/{kind}"
    body = {"checkpoint_name": "a"}
    await site.will_crash(site.api, step)
    with pytest.raises(LOST):
        await site.post(path, body, key)
    await site.died(site.api)
    await site.restart(site.api)

    reply = await site.post_again(path, body, key)
    assert reply.status_code == 200, reply.text
    assert ("Idempotent-Replayed" in reply.headers) == (step == "after the reply was stored")
    again = await site.post(path, body, key)
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (200, reply.json(), "true")

    after = await site.reach(execution_id, "completed" if kind == "replay" else "paused")
    assert len(await site.resets(execution_id)) == 1
    assert [c["id"] for c in after["checkpoints"][:2]] == [c["id"] for c in before["checkpoints"][:2]]
    done = [1, 2, 2] if kind == "replay" else [1, 1, 1]
    assert [len(site.calls(name, execution_id)) for name in "abc"] == done
    assert [len(set(site.effects(name, execution_id))) for name in "abc"] == done


async def test_a_reset_sent_again_after_it_was_undone_is_not_made_again(site: Site, abc: str) -> None:
    execution_id = (await site.post("/executions", {"workflow_id": abc, "input_data": {}})).json()["id"]
    await site.reach(execution_id, "completed")
    key = new_key()
    path, body = f"/executions/{execution_id}/replay", {"checkpoint_name": "a"}
    await site.will_crash(site.api, "after the reset, before the reply is stored")
    with pytest.raises(LOST):
        await site.post(path, body, key)
    await site.died(site.api)
    await site.restart(site.api)
    await site.reach(execution_id, "completed")
    other = await site.post(f"/executions/{execution_id}/rollback", body, new_key())
    assert other.status_code == 200, other.text

    reply = await site.post_again(path, body, key)
    assert (reply.status_code, reply.json()["status"]) == (200, "paused"), reply.text
    assert len(await site.resets(execution_id)) == 2
    assert [len(site.calls(name, execution_id)) for name in "abc"] == [1, 2, 2]


async def test_a_command_sent_again_after_an_operators_reset_is_carried_out_once_in_the_new_line(
    site: Site, abc: str
) -> None:
    execution_id = (await site.post("/executions", {"workflow_id": abc, "input_data": {}})).json()["id"]
    await site.reach(execution_id, "completed")
    await site.post(f"/executions/{execution_id}/rollback", {"checkpoint_name": "a"}, new_key())
    key, path = new_key(), f"/executions/{execution_id}/resume"
    await site.will_crash(site.api, "after the command, before the reply is stored")
    with pytest.raises(LOST):
        await site.post(path, {}, key)
    await site.died(site.api)
    await site.restart(site.api)
    await site.reach(execution_id, "completed")
    await site.reset_by_hand(execution_id, "a")
    paused = await site.reach(execution_id, "paused")

    reply = await site.post_again(path, {}, key)
    assert (reply.status_code, reply.json()["revision"]) == (200, paused["revision"] + 1), reply.text
    await site.reach(execution_id, "completed")
    assert (await site.post(path, {}, key)).headers["Idempotent-Replayed"] == "true"
    assert [len(site.calls(name, execution_id)) for name in "abc"] == [1, 3, 3]


async def test_a_reset_that_was_begun_goes_on_though_nobody_asks_again(site: Site, abc: str) -> None:
    execution_id = (await site.post("/executions", {"workflow_id": abc, "input_data": {}})).json()["id"]
    await site.reach(execution_id, "completed")
    await site.will_crash(site.api, "after the operation was started")
    with pytest.raises(LOST):
        await site.post(f"/executions/{execution_id}/replay", {"checkpoint_name": "b"})
    await site.died(site.api)
    await site.restart(site.api)
    await until(lambda: len(site.effects("c", execution_id)) == 2, SOON, "the replay's effects")
    done = await site.reach(execution_id, "completed")
    assert done["revision"] == 2
    assert [len(site.calls(name, execution_id)) for name in "abc"] == [1, 1, 2]


async def test_the_api_dies_while_it_waits_for_a_reset(site: Site, abc: str) -> None:
    execution_id = (await site.post("/executions", {"workflow_id": abc, "input_data": {}})).json()["id"]
    await site.reach(execution_id, "completed")
    key = new_key()
    path = f"/executions/{execution_id}/replay"
    site.worker.freeze()
    try:
        asking = asyncio.create_task(site.post(path, {"checkpoint_name": "a"}, key))
        await until(lambda: site.reset_is_open(execution_id), SOON, "the operation")
        await site.api.kill()
        with pytest.raises(LOST):
            await asking
    finally:
        site.worker.thaw()
    await site.restart(site.api)
    reply = await site.post_again(path, {"checkpoint_name": "a"}, key)
    assert reply.status_code == 200, reply.text
    await site.reach(execution_id, "completed")
    assert len(await site.resets(execution_id)) == 1
    assert [len(site.calls(name, execution_id)) for name in "abc"] == [1, 2, 2]
