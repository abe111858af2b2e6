"""What `metadata.priority` may say, wherever metadata are sent."""

from __future__ import annotations

import pytest
from graphs import noting, sequence
from served import Caller

SPEC = {"cron": "0 7 * * mon-fri"}


@pytest.mark.parametrize("wrong", ["urgent", "HIGH", "", 1, 7, None, True, ["high"]])
async def test_a_priority_that_is_none_is_refused(caller: Caller, world, wrong: object) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    body = {"workflow_id": workflow["uuid"], "metadata": {"user": "ann", "priority": wrong}}
    for path, more in (("executions", {}), ("schedules", {"spec": SPEC})):
        reply = await caller.http.post(f"/api/v1/{path}", json={**body, **more})
        assert reply.status_code == 422, reply.text
        assert [error["pointer"] for error in reply.json()["errors"]] == ["/metadata/priority"]
    fork = {"checkpoint_name": "start", "metadata": {"priority": wrong}}
    reply = await caller.http.post("/api/v1/executions/x/fork", json=fork)
    assert reply.status_code == 422 and reply.json()["errors"][0]["pointer"] == "/metadata/priority"
    assert (await caller.http.get("/api/v1/executions")).json()["total"] == 0


@pytest.mark.parametrize("said", ["low", "normal", "high"])
async def test_metadata_come_back_as_they_were_sent(caller: Caller, world, said: str) -> None:
    metadata = {"priority": said, "user": {"name": "ann", "tags": [1, None]}, "": "empty name"}
    started = await caller.start(sequence(noting("a")), metadata=metadata)
    assert (await caller.get(started["id"]))["metadata"] == metadata
    listed = (await caller.http.get("/api/v1/executions", params={"metadata[priority]": said})).json()
    assert [each["id"] for each in listed["items"]] == [started["id"]]


async def test_a_schedules_priority_is_checked_when_it_is_changed(caller: Caller, world) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    body = {"workflow_id": workflow["uuid"], "spec": SPEC, "paused": True, "metadata": {"priority": "low"}}
    made = (await caller.http.post("/api/v1/schedules", json=body)).json()
    path = f"/api/v1/schedules/{made['id']}"
    reply = await caller.http.patch(path, json={"metadata": {"priority": "higher"}})
    assert reply.status_code == 422 and reply.json()["errors"][0]["pointer"] == "/metadata/priority"
    changed = await caller.http.patch(path, json={"metadata": {"priority": "high"}})
    assert changed.json()["metadata"] == {"priority": "high"}
