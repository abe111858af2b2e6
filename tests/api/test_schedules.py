"""Schedules of the omium surface, on a real Temporal server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
from served import Caller, Callers

from cairn.contracts.json import JsonObject
from cairn.domain.schedules.reconcile import ScheduleReconciler
from cairn.temporal.schedule_client import ScheduleClient

PATH = "/api/v1/schedules"
NEVER: JsonObject = {"cron": "0 0 1 1 * 2099"}
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}


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
    """Wait until the last runs, newest first, have the statuses."""

    async def reached() -> list[JsonObject] | None:
        runs = (await get(caller, made))["recent_runs"]
        return runs if [run["status"] for run in runs] == statuses else None

    return await until(reached)


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


async def test_an_interval_fires_executions_that_are_like_any_other(caller: Caller, world) -> None:
    made = await schedule(
        caller, sequence(noting("a")), input_data={"q": 1}, metadata={"k": "v"}, spec={"interval": {"every_seconds": 1}}
    )

    async def fired() -> list[JsonObject] | None:
        runs = (await get(caller, made))["recent_runs"]
        done = [run for run in runs if run["status"] == "completed"]
        return done if len(done) >= 2 else None

    runs = await until(fired)
    await caller.http.delete(f"{PATH}/{made['id']}")
    assert len({run["execution_id"] for run in runs}) == len(runs)
    execution = await caller.get(runs[-1]["execution_id"])
    assert (execution["status"], execution["input_data"], execution["version"]) == ("completed", {"q": 1}, 1)
    assert execution["workflow_id"] == made["workflow_id"]
    assert execution["metadata"] == {"k": "v", "schedule_id": made["id"], "scheduled_at": runs[-1]["scheduled_at"]}
    assert world.of(execution["id"]) == ["a"]
    found = (await caller.http.get(f"/api/v1/executions?metadata.schedule_id={made['id']}")).json()
    assert {run["execution_id"] for run in runs} <= {item["id"] for item in found["items"]}
    replayed = await caller.http.post(f"/api/v1/executions/{execution['id']}/replay", json={"checkpoint_name": "start"})
    assert replayed.status_code == 200, replayed.text
    await caller.reach(execution["id"], "completed")
    assert world.of(execution["id"]) == ["a", "a"]


async def test_a_trigger_fires_once_for_one_key_and_runs_the_version_of_that_moment(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(noting("a")), paused=True)
    first = {"json": {}, "headers": {"Idempotency-Key": "now"}}
    replies = [await caller.http.post(f"{PATH}/{made['id']}/trigger", **first) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert replies[1].headers["Idempotent-Replayed"] == "true"
    (run,) = await recent(caller, made, ["completed"])
    assert (await caller.get(run["execution_id"]))["version"] == 1
    path = f"/api/v1/workflow/{made['workflow_id']}"
    assert (await caller.http.put(path, json={"workflow_definition": sequence(noting("b"))})).status_code == 200
    assert (await caller.http.post(f"{path}/publish")).status_code == 200
    await until_next_second(run)
    await post(caller, made, "trigger")
    newest, _ = await recent(caller, made, ["completed", "completed"])
    execution = await caller.get(newest["execution_id"])
    assert execution["version"] == 2 and world.of(execution["id"]) == ["b"]


async def until_next_second(run: JsonObject) -> None:
    """Firings are named by the second: one more in the same second is the same."""
    after = datetime.fromisoformat(run["scheduled_at"]).replace(microsecond=0) + timedelta(seconds=1)
    await until(lambda: datetime.now(UTC) > after)


async def test_a_backfill_makes_an_execution_for_each_time_and_none_twice(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(noting("a")), spec={"cron": "0 0 * * *"}, overlap="skip")
    period = {"start": "2024-02-28T00:00:00Z", "end": "2024-03-01T00:00:00Z", "overlap": "allow_all"}
    await post(caller, made, "backfill", **period)
    runs = await recent(caller, made, ["completed"] * 3)
    times = sorted(run["scheduled_at"] for run in runs)
    assert times == ["2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"]
    await post(caller, made, "backfill", **{**period, "end": "2024-03-02T00:00:00Z"})

    async def four() -> bool:
        found = (await caller.http.get(f"/api/v1/executions?metadata.schedule_id={made['id']}")).json()
        assert found["total"] <= 4
        return found["total"] == 4

    await until(four)
    assert len(world.effects("a")) <= 4
    for bad, pointer in (
        ({"start": "2024-03-02T00:00:00Z", "end": "2024-03-01T00:00:00Z"}, "/end"),
        ({"start": "2024-03-02T00:00:00Z", "end": "2999-03-01T00:00:00Z"}, "/end"),
        ({"start": "yesterday", "end": "2024-03-01T00:00:00Z"}, "/start"),
        ({"end": "2024-03-01T00:00:00Z"}, "/start"),
    ):
        reply = await caller.http.post(f"{PATH}/{made['id']}/backfill", json=bad)
        assert reply.status_code == 422 and reply.json()["errors"][0]["pointer"] == pointer, reply.text


async def test_skip_leaves_out_what_overlaps(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(waiting("skip")), overlap="skip")
    await post(caller, made, "trigger")
    (run,) = await recent(caller, made, ["running"])
    assert (await get(caller, made))["running"] == [run["execution_id"]]
    await until_next_second(run)
    await post(caller, made, "trigger")

    async def skipped() -> bool:
        return (await get(caller, made))["skipped"] == 1

    await until(skipped)
    world.gate("skip").set()
    await recent(caller, made, ["completed"])
    assert (await get(caller, made))["running"] == []


async def test_cancel_other_cancels_the_execution_before(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(waiting("first")), overlap="cancel_other")
    await post(caller, made, "trigger")
    (run,) = await recent(caller, made, ["running"])
    await until(lambda: world.waiting["first"])
    await until_next_second(run)
    await post(caller, made, "trigger")
    _, before = await recent(caller, made, ["running", "cancelled"])
    assert before["execution_id"] == run["execution_id"]
    assert (await caller.get(run["execution_id"]))["status"] == "cancelled"
    world.gate("first").set()
    await recent(caller, made, ["completed", "cancelled"])


async def test_terminate_other_ends_the_execution_before(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(waiting("second")), overlap="terminate_other")
    await post(caller, made, "trigger")
    (run,) = await recent(caller, made, ["running"])
    await until_next_second(run)
    await post(caller, made, "trigger")
    await caller.reach(run["execution_id"], "cancelled")
    world.gate("second").set()
    await recent(caller, made, ["completed", "cancelled"])


async def test_allow_all_and_buffer_one(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(waiting("both")), overlap="buffer_one")
    await post(caller, made, "trigger")
    (run,) = await recent(caller, made, ["running"])
    await until_next_second(run)
    await post(caller, made, "trigger")
    await until_next_second({"scheduled_at": datetime.now(UTC).isoformat()})
    await post(caller, made, "trigger", overlap="allow_all")
    await recent(caller, made, ["running", "running"])
    world.gate("both").set()
    await recent(caller, made, ["completed"] * 3)


async def test_an_execution_that_is_rolled_back_still_counts_as_open(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(noting("a"), waiting("back")), overlap="skip")
    await post(caller, made, "trigger")
    (run,) = await recent(caller, made, ["running"])
    await until(lambda: world.waiting["back"])
    path = f"/api/v1/executions/{run['execution_id']}"
    assert (await caller.http.post(f"{path}/rollback", json={"checkpoint_name": "a"})).status_code == 200
    await until_next_second(run)
    await post(caller, made, "trigger")

    async def skipped() -> bool:
        return (await get(caller, made))["skipped"] == 1

    await until(skipped)
    assert (await get(caller, made))["running"] == [run["execution_id"]]
    world.gate("back").set()
    assert (await caller.http.post(f"{path}/resume")).status_code == 200
    await recent(caller, made, ["completed"])


async def test_pause_unpause_and_pause_on_failure(caller: Caller, world) -> None:
    world.failing.add("breaks")
    made = await schedule(caller, sequence(noting("breaks")), pause_on_failure=True, spec={"cron": "@hourly"})
    paused = await post(caller, made, "pause", note="holidays")
    assert (paused["paused"], paused["note"], paused["next_runs"]) == (True, "holidays", [])
    assert (await get(caller, made))["paused"] is True
    assert [item["id"] for item in (await caller.http.get(f"{PATH}?paused=true")).json()["items"]] == [made["id"]]
    assert (await caller.http.get(f"{PATH}?paused=false")).json()["total"] == 0
    open_ = await post(caller, made, "unpause")
    assert (open_["paused"], open_["note"]) == (False, None) and len(open_["next_runs"]) == 5
    await post(caller, made, "trigger")
    (run,) = await recent(caller, made, ["failed"])
    assert run["error"]["code"] == "planned"

    async def stopped() -> bool:
        return (await get(caller, made))["paused"]

    await until(stopped)
    renamed = await caller.http.patch(f"{PATH}/{made['id']}", json={"name": "Other"})
    assert renamed.json()["paused"] is True and renamed.json()["name"] == "Other"


async def test_a_firing_that_cannot_start_anything_says_why(caller: Caller, world) -> None:
    made = await schedule(caller, sequence(noting("a")), input_data={"n": 1})
    path = f"/api/v1/workflow/{made['workflow_id']}"
    stricter = sequence(noting("a"), input_schema=SCHEMA)
    assert (await caller.http.put(path, json={"workflow_definition": stricter})).status_code == 200
    assert (await caller.http.post(f"{path}/publish")).status_code == 200
    await post(caller, made, "trigger")
    (run,) = await recent(caller, made, ["failed"])
    assert run["execution_id"] is None and run["error"]["code"] == "invalid_input"


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
            "calendar": {"hour": [{"start": 8, "end": 18, "step": 5}], "year": [{"start": 2098}]},
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
    assert shown["spec"]["cron"] is None and shown["spec"]["calendar"][0]["hour"] == [
        {"start": 8, "end": 18, "step": 5}
    ]
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
    from cairn.contracts.schedules import Spec
    from cairn.domain.schedules.model import CreateSchedule
    from cairn.domain.schedules.service import ScheduleService

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
