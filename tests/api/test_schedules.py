"""Schedules of the omium surface, on a real Temporal server."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import cast

import pytest
from graphs import noting, sequence
from installation import Cairn, until
from scheduling import NEVER, PATH, get, post, recent, schedule
from served import Caller, Callers
from temporalio.client import ScheduleActionStartWorkflow

from cairn.contracts.json import JsonObject
from cairn.contracts.schedules import Interval, Spec
from cairn.domain.schedules.model import CreateSchedule
from cairn.domain.schedules.reconcile import ScheduleReconciler
from cairn.domain.schedules.service import ScheduleService
from cairn.errors import InvalidInput
from cairn.persistence.tables import ScheduleRow
from cairn.settings import Settings
from cairn.temporal.connection import connect
from cairn.temporal.schedule_client import ScheduleClient

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}


async def test_a_schedule_is_made_read_and_listed(caller: Caller) -> None:
    made = await schedule(
        caller,
        sequence(noting("a")),
        name="Morning",
        input_data={"q": 1},
        metadata={"team": "blue"},
        spec={"cron": "30 7 * * mon-fri", "time_zone": "Europe/Berlin", "end_at": "2099-01-01T00:00:00Z"},
        overlap="buffer_one",
        catchup_window_seconds=60,
        pause_on_failure=True,
        note="made by a test",
    )
    assert made["id"].startswith("sched_")
    assert made["spec"]["cron"] == ["30 7 * * mon-fri"] and made["spec"]["time_zone"] == "Europe/Berlin"
    assert (made["overlap"], made["catchup_window_seconds"], made["pause_on_failure"]) == ("buffer_one", 60, True)
    assert (made["name"], made["input_data"], made["metadata"]) == ("Morning", {"q": 1}, {"team": "blue"})
    assert (made["paused"], made["note"], made["status_detail"]) == (False, "made by a test", None)
    assert made["recent_runs"] == [] and made["running"] == []
    assert (made["runs"], made["skipped"], made["missed"]) == (0, 0, 0)
    next_runs = [datetime.fromisoformat(at) for at in made["next_runs"]]
    assert len(next_runs) == 5 and next_runs == sorted(next_runs)
    for at in next_runs:
        assert (at.hour, at.minute) in ((5, 30), (6, 30)) and at.weekday() < 5
    read = await get(caller, made)
    assert read["spec"] == made["spec"] and read["created_at"].endswith("Z")
    listed = (await caller.http.get(PATH)).json()
    assert listed["total"] == 1 and listed["items"][0]["id"] == made["id"] and "next_runs" not in listed["items"][0]


async def test_a_change_takes_effect_and_keeps_the_rest(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(noting("a")), name="One", input_data={"q": "x"})
    other = await caller.publish(sequence(noting("b"), input_schema=SCHEMA), name="other")
    path, hours = f"{PATH}/{made['id']}", [{"start": 8, "end": 18, "step": 5}]
    body = {
        "workflow_id": other["uuid"],
        "name": None,
        "metadata": {"m": 1},
        "overlap": "allow_all",
        "catchup_window_seconds": 20,
        "pause_on_failure": True,
        "spec": {
            "calendar": {"hour": hours, "year": [{"start": 2098}]},
            "jitter_seconds": 3,
        },
        "paused": True,
        "note": "later",
    }
    changed = await caller.http.patch(path, json=body)
    assert changed.status_code == 200, changed.text
    shown = changed.json()
    assert (shown["workflow_id"], shown["name"], shown["metadata"]) == (other["uuid"], None, {"m": 1})
    assert (shown["overlap"], shown["catchup_window_seconds"], shown["pause_on_failure"]) == ("allow_all", 20, True)
    assert (shown["paused"], shown["note"], shown["input_data"]) == (True, "later", {"q": "x"})
    assert shown["spec"]["cron"] is None and shown["spec"]["calendar"][0]["hour"] == hours
    unpaused = await post(caller, made, "unpause")
    assert [at[:13] for at in unpaused["next_runs"]][:4] == [
        "2098-01-01T08", "2098-01-01T13", "2098-01-01T18", "2098-01-02T08"
    ]  # fmt: skip
    refused = await caller.http.patch(path, json={"input_data": {"q": 5}})
    assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "/input_data/q"
    assert (await caller.http.patch(path, json={"workflow_id": "unknown"})).status_code == 404
    assert (await get(caller, made))["input_data"] == {"q": "x"}
    await post(caller, made, "trigger")
    (run,) = await recent(caller, made, ["completed"])
    assert world.of(run["execution_id"]) == ["b"]


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"cron": "61 * * * *"}, "/spec/cron/0"),
        ({"cron": ["* * * * *", "* * *"]}, "/spec/cron/1"),
        ({"cron": "@every 5m"}, "/spec/cron/0"),
        ({"cron": "* * * * *", "time_zone": "Middle/Earth"}, "/spec/time_zone"),
        ({"interval": {"every_seconds": 5, "offset_seconds": 5}}, "/spec/interval/offset_seconds"),
        ({"interval": {"every_seconds": 0}}, "/spec/interval/every_seconds"),
        ({"calendar": {"hour": [{"start": 24}]}}, "/spec/calendar/0/hour/0/start"),
        ({"calendar": {"hour": [{"start": 5, "end": 4}]}}, "/spec/calendar/0/hour/0/end"),
        ({"cron": "* * * * *", "start_at": "2030-01-01T00:00:00Z", "end_at": "2029-01-01T00:00:00Z"}, "/spec/end_at"),
        ({"cron": "* * * * *", "interval": {"every_seconds": 5}}, "/spec"),
        ({}, "/spec"),
        ({"cron": "* * * * *", "jitter_seconds": -1}, "/spec/jitter_seconds"),
    ],
)
async def test_times_that_are_wrong_are_named(caller: Caller, spec: JsonObject, pointer: str) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    reply = await caller.http.post(PATH, json={"workflow_id": workflow["uuid"], "spec": spec})
    assert reply.status_code == 422, reply.text
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]
    assert (await caller.http.get(PATH)).json()["total"] == 0


async def test_other_wrong_values(caller: Caller) -> None:
    workflow = await caller.publish(sequence(noting("a"), input_schema=SCHEMA))
    good = {"workflow_id": workflow["uuid"], "spec": NEVER, "input_data": {"q": "x"}}
    for body, status, pointer in (
        ({**good, "workflow_id": "unknown"}, 404, None),
        ({**good, "input_data": {}}, 422, "/input_data"),
        ({**good, "overlap": "sometimes"}, 422, "/overlap"),
        ({**good, "catchup_window_seconds": 9}, 422, "/catchup_window_seconds"),
        ({**good, "metadata": {"text": "x" * 16 * 1024}}, 422, "/metadata"),
        ({"workflow_id": workflow["uuid"], "input_data": {"q": "x"}}, 422, "/spec"),
    ):
        reply = await caller.http.post(PATH, json=body)
        assert reply.status_code == status, reply.text
        assert pointer is None or reply.json()["errors"][0]["pointer"] == pointer
    draft = {"name": "draft", "definition": {"nodes": [], "edges": []}}
    unpublished = (await caller.http.post("/api/v1/workflow/create/definition", json=draft)).json()
    reply = await caller.http.post(PATH, json={**good, "workflow_id": unpublished["uuid"]})
    assert (reply.status_code, reply.json()["code"]) == (409, "workflow_not_published")


async def test_a_foreign_or_deleted_schedule_is_not_there(caller: Caller, callers: Callers) -> None:
    made = await schedule(caller, sequence(noting("a")))
    other = await callers.new()
    reader = await callers.new(caller.tenant, scopes=["schedules:read"])
    path = f"{PATH}/{made['id']}"
    assert (await reader.http.get(path)).status_code == 200
    calls = [("GET", "", None), ("PATCH", "", {}), ("DELETE", "", None)]
    calls += [("POST", f"/{name}", {}) for name in ("pause", "unpause", "trigger")]
    calls += [("POST", "/backfill", {"start": "2024-01-01", "end": "2024-01-02"})]
    for method, more, body in calls:
        reply = await other.http.request(method, path + more, json=body)
        assert (reply.status_code, reply.json()["code"]) == (404, "schedule_not_found"), (method, more)
        if method != "GET":
            assert (await reader.http.request(method, path + more, json=body)).status_code == 403
    assert (await other.http.get(PATH)).json()["total"] == 0
    test_key = await callers.new(caller.tenant, live=False)
    assert (await test_key.http.get(path)).status_code == 404
    assert (await caller.http.delete(path)).status_code == 204
    for method, more, body in calls:
        assert (await caller.http.request(method, path + more, json=body)).status_code == 404
    assert (await caller.http.get(PATH)).json()["total"] == 0


async def test_the_same_request_makes_one_schedule(caller: Caller) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    send = {"json": {"workflow_id": workflow["uuid"], "spec": NEVER}, "headers": {"Idempotency-Key": "one"}}
    first, again = [await caller.http.post(PATH, **send) for _ in range(2)]
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"
    assert (await caller.http.get(PATH)).json()["total"] == 1


async def test_pages_and_filters(caller: Caller) -> None:
    made = [await schedule(caller, sequence(noting("a"))) for _ in range(3)]
    ids = [each["id"] for each in reversed(made)]
    first = (await caller.http.get(f"{PATH}?page_size=2")).json()
    second = (await caller.http.get(f"{PATH}?page_size=2&page=2&anchor={first['anchor']}")).json()
    assert [item["id"] for item in first["items"] + second["items"]] == ids and first["total"] == 3
    found = (await caller.http.get(f"{PATH}?workflow_id={made[1]['workflow_id']}")).json()
    assert [item["id"] for item in found["items"]] == [made[1]["id"]]
    for bad in ("page=0", "page_size=101", "paused=perhaps"):
        assert (await caller.http.get(f"{PATH}?{bad}")).status_code == 422


async def test_what_a_crash_or_an_operator_left_is_mended(caller: Caller, lasting: Cairn) -> None:
    client = ScheduleClient(lasting.client, lasting.settings)
    made = await schedule(caller, sequence(noting("a")))
    await client.delete(made["id"])  # as if it had never reached Temporal
    assert (await get(caller, made))["next_runs"] == ["2099-01-01T00:00:00Z"]
    await lasting.client.get_schedule_handle(made["id"]).pause(note="by hand")
    shown = await get(caller, made)
    assert (shown["paused"], shown["note"]) == (True, "by hand")
    changed = await caller.http.patch(f"{PATH}/{made['id']}", json={"name": "still paused"})
    assert changed.json()["paused"] is True


async def test_the_reconciler_carries_out_what_a_crash_left(cairn: Cairn) -> None:
    client = ScheduleClient(cairn.client, cairn.settings)
    workflow = await cairn.publish(sequence(noting("a")))
    async with cairn.executions() as executions:
        row = await ScheduleService(executions, client).create(CreateSchedule(workflow, Spec(cron=["0 0 1 1 * 2099"])))
        row.updated_at -= timedelta(minutes=1)
    assert await client.describe(row.id) is None
    reconciler = ScheduleReconciler(cairn.database, client)
    await reconciler.once()
    seen = await client.describe(row.id)
    assert seen is not None and not seen.paused
    await cairn.client.get_schedule_handle(row.id).pause(note="by hand")

    async def followed() -> bool:
        await reconciler.follow()
        async with cairn.executions() as executions:
            now = await ScheduleService(executions, client).require(row.id)
            return (now.paused, now.note) == (True, "by hand")

    await until(followed)
    async with cairn.executions() as executions:
        deleted = await ScheduleService(executions, client).mark_deleted(row.id)
        deleted.updated_at -= timedelta(minutes=1)
    await reconciler.once()
    assert await client.describe(row.id) is None


async def test_times_that_temporal_alone_refuses_change_nothing(cairn: Cairn) -> None:
    client = ScheduleClient(cairn.client, cairn.settings)
    row = await saved(cairn, client)
    refused = Spec(interval=Interval(every_seconds=-1, offset_seconds=-2))  # no surface lets it through
    async with cairn.executions() as executions:
        service = ScheduleService(executions, client)
        with pytest.raises(InvalidInput, match="times"):
            await service.change(row.id, {"spec": refused, "name": "half done"})
        await executions.session.rollback()
        kept = await service.get(row.id)
    assert (kept.name, kept.status_detail, kept.spec.interval) == (None, None, None)


async def test_a_schedule_is_saved_anew_when_the_first_payload_key_changes(cairn: Cairn) -> None:
    keys = [f"k{n}:{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2)]

    async def key_after_reconciling(*listed: str) -> bytes | None:
        values = {**cairn.settings.model_dump(exclude_none=True), "payload_keys": ",".join(listed) or None}
        mine = Settings(**values)
        client = ScheduleClient(await connect(mine, lazy=False), mine)
        await ScheduleReconciler(cairn.database, client).once()
        described = await cairn.client.get_schedule_handle(row.id).describe()
        assert described.schedule.state.paused and described.schedule.state.note == "by hand"
        (payload,) = cast("ScheduleActionStartWorkflow", described.schedule.action).args
        return payload.metadata.get("encryption-key-id")

    row = await saved(cairn, ScheduleClient(cairn.client, cairn.settings))
    await cairn.client.get_schedule_handle(row.id).pause(note="by hand")
    assert await key_after_reconciling("plain", keys[0]) is None
    assert await key_after_reconciling(keys[0]) == b"k1"
    assert await key_after_reconciling(keys[1], keys[0]) == b"k2"
    assert await key_after_reconciling("plain", *keys) is None


async def saved(cairn: Cairn, client: ScheduleClient) -> ScheduleRow:
    """Make a schedule that Temporal has, and that no request holds any more."""
    workflow = await cairn.publish(sequence(noting("a")))
    async with cairn.executions() as executions:
        service = ScheduleService(executions, client)
        row = await service.create(CreateSchedule(workflow, Spec(cron=["0 0 1 1 * 2099"])))
        await executions.session.commit()
        await service.applied(row)
        row.updated_at -= timedelta(minutes=1)
    return row
