"""Whatever dies in the middle of a rollback that undoes effects: each undo is done once, and then the reset is made."""

from __future__ import annotations

import asyncio

import pytest
from crash.conftest import spending
from crash.site import SOON, Site, new_key
from graphs import node, sequence

from cairn.contracts.json import JsonObject
from chaos.programs import until


def undoable(name: str) -> JsonObject:
    undo = {"tool": "spend", "arguments": {"name": f"'undo {name}'"}}
    return node(name, "tool", tool="spend", arguments={"name": f"'{name}'"}, compensate=undo)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "step",
    [
        "after an undo, before it is kept",
        "after an undo was kept, before its activity ends",
        "after the undos, before the reset",
    ],
)
async def test_the_worker_dies_between_the_undos_and_the_reset(site: Site, step: str) -> None:
    execution_id = await site.start(sequence(spending("a"), undoable("b"), undoable("c")))
    await site.reach(execution_id, "completed")
    await site.will_crash(site.worker, step)
    key, path, body = new_key(), f"/executions/{execution_id}/rollback", {"checkpoint_name": "a"}
    asked = asyncio.create_task(site.post(path, body, key))
    await site.died(site.worker)
    assert await site.resets(execution_id) == []
    await site.restart(site.worker)
    reply = await asked
    if reply.status_code == 503:
        reply = await site.post_again(path, body, key)
    assert reply.status_code == 200, reply.text
    assert [(c["node_id"], c["status"]) for c in reply.json()["compensations"]] == [("c", "done"), ("b", "done")]
    assert len(await site.resets(execution_id)) == 1
    # What died before it was kept was tried again, under the same key; nothing else was.
    for name in ("undo b", "undo c"):
        assert len(set(site.effects(name, execution_id))) == 1
        assert len(site.calls(name, execution_id)) <= (2 if step == "after an undo, before it is kept" else 1)
    assert (await site.reach(execution_id, "paused"))["revision"] == 1


async def test_the_api_dies_and_the_same_rollback_tells_what_was_undone(site: Site) -> None:
    execution_id = await site.start(sequence(spending("a"), undoable("b")))
    await site.reach(execution_id, "completed")
    key, path, body = new_key(), f"/executions/{execution_id}/rollback", {"checkpoint_name": "a"}
    await site.will_crash(site.api, "after the operation was started")
    asked = asyncio.create_task(site.post(path, body, key))
    await site.died(site.api)
    await asyncio.gather(asked, return_exceptions=True)
    await site.restart(site.api)
    await until(lambda: site.effects("undo b", execution_id), SOON, "the undo")
    reply = await site.post_again(path, body, key)
    assert reply.status_code == 200, reply.text
    assert [(c["node_id"], c["status"]) for c in reply.json()["compensations"]] == [("b", "done")]
    assert len(site.calls("undo b", execution_id)) == 1
    assert len(await site.resets(execution_id)) == 1


@pytest.mark.timeout(180)
async def test_the_worker_dies_while_what_a_child_did_is_undone(site: Site) -> None:
    body = sequence(undoable("b"), undoable("c"))
    above = sequence(spending("a"), node("each", "map", items="[1]", body=body), undoable("d"))
    execution_id = await site.start(above)
    await site.reach(execution_id, "completed")
    await site.will_crash(site.worker, "after an undo, before it is kept")
    key, path, body = new_key(), f"/executions/{execution_id}/rollback", {"checkpoint_name": "a"}
    asked = asyncio.create_task(site.post(path, body, key))
    await site.died(site.worker)
    await site.restart(site.worker)
    reply = await asked
    if reply.status_code == 503:
        reply = await site.post_again(path, body, key)
    assert reply.status_code == 200, reply.text
    told = [(c["node_id"], c["status"]) for c in reply.json()["compensations"]]
    assert told == [("d", "done"), ("c", "done"), ("b", "done")]
    (child,) = {c["execution_id"] for c in reply.json()["compensations"]} - {None}
    assert len(await site.resets(execution_id)) == 1
    for name, where in (("undo d", execution_id), ("undo c", child), ("undo b", child)):
        assert len(set(site.effects(name, where))) == 1
