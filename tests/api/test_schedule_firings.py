"""What schedules of the omium surface start, on a real Temporal server."""

from __future__ import annotations

from datetime import UTC, datetime

from graphs import noting, sequence, waiting
from installation import until
from scheduling import PATH, get, post, recent, schedule, until_next_second
from served import Caller

from cairn.contracts.json import JsonObject

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}


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


async def test_a_schedule_answers_while_it_fires_for_a_long_period(caller: Caller) -> None:
    every_minute = {"interval": {"every_seconds": 60}, "start_at": "2020-01-01T00:00:00Z"}
    made = await schedule(caller, sequence(noting("a")), spec=every_minute, overlap="allow_all")
    await post(caller, made, "backfill", start="2024-01-01T00:00:00Z", end="2024-01-01T01:00:00Z")
    for _ in range(3):
        await post(caller, made, "trigger")
        assert (await get(caller, made))["spec"]["interval"]["every_seconds"] == 60
    changed = await caller.http.patch(f"{PATH}/{made['id']}", json={"note": "much to do"})
    assert changed.status_code == 200, changed.text
    assert (await caller.http.delete(f"{PATH}/{made['id']}")).status_code == 204
