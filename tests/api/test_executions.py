"""The omium surface: executions from start to end."""

from __future__ import annotations

import asyncio

import pytest
from graphs import noting, sequence, waiting
from served import Caller, Callers

from cairn.temporal.executions import ExecutionClient

INPUT_SCHEMA = {
    "type": "object",
    "properties": {"q": {"type": "string"}, "deep": {"type": "object", "properties": {"n/m": {"type": "integer"}}}},
    "required": ["q"],
}


async def test_an_execution_is_started_and_read_with_its_checkpoints(caller: Caller, world) -> None:
    started = await caller.start(
        sequence(noting("a"), noting("b")), input_data={"q": 1}, metadata={"user_id": "user_123", "priority": "high"}
    )
    assert started["status"] == "running"
    done = await caller.reach(started["id"], "completed")
    assert done["output_data"] == {"done": True}
    assert done["input_data"] == {"q": 1}
    assert done["metadata"] == {"user_id": "user_123", "priority": "high"}
    assert [c["name"] for c in done["checkpoints"]] == ["start", "a", "b"]
    assert done["checkpoint_count"] == 3
    assert done["current_checkpoint_id"] == done["last_successful_checkpoint_id"] == done["checkpoints"][-1]["id"]
    assert done["created_at"].endswith("Z")
    assert done["temporal"]["workflow_id"] == started["id"]
    assert done["revision"] == 0 and done["error"] is None and done["parent_execution_id"] is None


async def test_reading_an_execution_that_has_ended_does_not_change_it(caller: Caller, world) -> None:
    started = await caller.start(sequence(noting("a")))
    listed = started
    while listed["status"] != "completed":
        await asyncio.sleep(0.05)
        listed = (await caller.http.get("/api/v1/executions")).json()["items"][0]
    shown = await caller.get(started["id"])
    assert shown["updated_at"] == listed["updated_at"]


async def test_of_what_retention_has_removed_the_end_alone_is_told(
    caller: Caller, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = await caller.reach((await caller.start(sequence(noting("a"))))["id"], "completed")

    async def unknown(*_: object) -> None:
        return None

    monkeypatch.setattr(ExecutionClient, "describe", unknown)
    path = f"/api/v1/executions/{done['id']}"
    shown = await caller.get(done["id"])
    assert (shown["status"], shown["output_data"], shown["checkpoints"]) == ("completed", done["output_data"], [])
    for refused in (
        await caller.http.get(f"{path}/events"),
        await caller.http.get(f"{path}/diagram"),
        await caller.http.post(f"{path}/pause"),
        await caller.http.post(f"{path}/rollback", json={"checkpoint_name": "a"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (404, "history_removed"), refused.text
        assert "Retry-After" not in refused.headers


async def test_what_temporal_has_lost_is_not_told_to_be_on_its_way_there(
    caller: Caller, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore, with a backup of Temporal that is older than that of the database."""
    started = await caller.start(sequence(noting("a"), waiting("w")))
    await caller.reach(started["id"], "running")

    async def unknown(*_: object) -> None:
        return None

    monkeypatch.setattr(ExecutionClient, "describe", unknown)
    path = f"/api/v1/executions/{started['id']}"
    shown = await caller.get(started["id"])
    assert (shown["status"], shown["checkpoints"]) == ("running", [])
    for refused in (await caller.http.get(f"{path}/events"), await caller.http.post(f"{path}/cancel")):
        assert (refused.status_code, refused.json()["code"]) == (404, "history_removed"), refused.text
        assert "Retry-After" not in refused.headers


async def test_a_failed_execution_tells_where_and_why(caller: Caller, world) -> None:
    world.failing.add("b")
    started = await caller.start(sequence(noting("a"), noting("b")))
    failed = await caller.reach(started["id"], "failed")
    assert failed["error"]["node_id"] == "b" and failed["error"]["code"] == "planned"
    assert failed["output_data"] is None
    assert [c["name"] for c in failed["checkpoints"]] == ["start", "a"]


async def test_a_workflow_is_named_by_id_or_uuid_and_must_be_published(caller: Caller, world) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    for named in (workflow["uuid"], str(workflow["id"])):
        reply = await caller.http.post("/api/v1/executions", json={"workflow_id": named})
        assert reply.status_code == 201 and reply.json()["workflow_id"] == workflow["uuid"]
    unknown = await caller.http.post("/api/v1/executions", json={"workflow_id": "unknown"})
    assert unknown.status_code == 404
    body = {"name": "draft", "definition": {"nodes": [], "edges": []}}
    draft = (await caller.http.post("/api/v1/workflow/create/definition", json=body)).json()
    assert draft["version_status"] == "draft"
    refused = await caller.http.post("/api/v1/executions", json={"workflow_id": draft["uuid"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "workflow_not_published")


async def test_input_that_breaks_the_graphs_schema_names_each_value(caller: Caller, world) -> None:
    workflow = await caller.publish(sequence(noting("a"), input_schema=INPUT_SCHEMA))
    body = {"workflow_id": workflow["uuid"], "input_data": {"deep": {"n/m": "x"}}}
    reply = await caller.http.post("/api/v1/executions", json=body)
    assert reply.status_code == 422
    assert {error["pointer"] for error in reply.json()["errors"]} == {"/input_data", "/input_data/deep/n~1m"}
    assert (await caller.http.get("/api/v1/executions")).json()["total"] == 0


async def test_a_body_that_breaks_a_rule_names_each_value(caller: Caller) -> None:
    body = {"workflow_id": 5, "input_data": [], "execution_id": "-no"}
    reply = await caller.http.post("/api/v1/executions", json=body)
    assert reply.status_code == 422
    assert {error["pointer"] for error in reply.json()["errors"]} == {"/workflow_id", "/input_data", "/execution_id"}
    reply = await caller.http.get("/api/v1/executions?page=0&page_size=101&status=asleep&created_after=5")
    found = {error["pointer"] for error in reply.json()["errors"]}
    assert found == {"/query/page", "/query/page_size", "/query/status", "/query/created_after"}


async def test_a_rule_of_our_own_is_told_in_plain_words(caller: Caller) -> None:
    reply = await caller.http.post("/api/v1/executions/x/replay", json={})
    assert reply.json()["errors"] == [
        {"pointer": "", "message": "give exactly one of checkpoint_id and checkpoint_name"}
    ]
    reply = await caller.http.get("/api/v1/executions?created_after=5")
    assert reply.json()["detail"].startswith("query.created_after: must be an ISO 8601 time"), reply.text


async def test_metadata_have_a_limit(caller: Caller, world) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    body = {"workflow_id": workflow["uuid"], "metadata": {"text": "x" * 16 * 1024}}
    reply = await caller.http.post("/api/v1/executions", json=body)
    assert reply.status_code == 422 and reply.json()["errors"][0]["pointer"] == "/metadata"


async def test_an_id_of_the_callers_choice_is_unique_for_the_tenant(caller: Caller, callers: Callers, world) -> None:
    started = await caller.start(sequence(noting("a")), execution_id="order-5.1_a")
    assert started["id"] == "order-5.1_a"
    assert started["temporal"]["workflow_id"] == f"{caller.tenant}.order-5.1_a"
    again = {"workflow_id": started["workflow_id"], "execution_id": "order-5.1_a"}
    assert (await caller.http.post("/api/v1/executions", json=again)).status_code == 409
    await caller.reach("order-5.1_a", "completed")
    other = await callers.new()
    await other.start(sequence(noting("b")), execution_id="order-5.1_a")
    await other.reach("order-5.1_a", "completed")


async def test_the_list_is_newest_first_and_its_filters_combine(caller: Caller, world) -> None:
    graph = sequence(noting("a"))
    first = await caller.start(graph, metadata={"user": "ann", "n": 1, "flag": True})
    second = await caller.start(graph, metadata={"user": "bob", "n": 2, "a.b": "c d"})
    third = await caller.start(graph, metadata={"user": "ann", "n": 2})
    for one in (first, second, third):
        await caller.reach(one["id"], "completed")

    async def ids(query: str) -> list[str]:
        reply = await caller.http.get(f"/api/v1/executions?{query}")
        assert reply.status_code == 200, reply.text
        body = reply.json()
        assert body["items"] == body["executions"] and body["total"] == len(body["items"])
        return [item["id"] for item in body["items"]]

    assert await ids("") == [third["id"], second["id"], first["id"]]
    assert await ids("metadata.user=ann") == [third["id"], first["id"]]
    assert await ids("metadata.user=ann&metadata.n=2") == [third["id"]]
    assert await ids("metadata.a.b=c%20d") == [second["id"]]
    assert await ids("metadata.flag=true") == [first["id"]]
    assert await ids("metadata.user=nobody") == []
    assert await ids(f"workflow_id={second['workflow_id']}") == [second["id"]]
    assert await ids("status=completed&metadata.user=bob") == [second["id"]]
    assert await ids("status=running") == []
    between = f"created_after={second['created_at']}&created_before={second['created_at']}"
    assert await ids(between) == [second["id"]]
    assert await ids("created_after=2999-01-01") == await ids("created_after=2999-01-01t00:00:00z") == []
    assert await ids("created_before=2999-01-01T00:00:00%2B02:00&metadata.n=1") == [first["id"]]
    many = "&".join(f"metadata.k{n}=1" for n in range(21))
    for bad in (many, "metadata.=x", "metadata.a=1&metadata.a=2", "created_after=yesterday", "page=x", "page_size=0"):
        refused = await caller.http.get(f"/api/v1/executions?{bad}")
        assert refused.status_code == 422
        assert [each["pointer"].split("/")[1] for each in refused.json()["errors"]] == ["query"]


async def test_pages_follow_each_other(caller: Caller, world) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    made = []
    for n in range(5):
        body = {"workflow_id": workflow["uuid"], "execution_id": f"e{n}"}
        made.append((await caller.http.post("/api/v1/executions", json=body)).json()["id"])
    seen, anchor = [], ""
    for page in (1, 2, 3, 4):
        body = (await caller.http.get(f"/api/v1/executions?page={page}&page_size=2{anchor}")).json()
        assert (body["total"], body["page"], body["page_size"]) == (5, page, 2)
        seen += [item["id"] for item in body["items"]]
        # What is started meanwhile shifts nothing.
        anchor = f"&anchor={body['anchor']}"
        assert (await caller.http.post("/api/v1/executions", json={"workflow_id": workflow["uuid"]})).status_code == 201
    assert seen == made[::-1]
    assert (await caller.http.get("/api/v1/executions")).json()["total"] == 9


async def test_commands_pause_resume_and_cancel(caller: Caller, world) -> None:
    execution = await caller.start(sequence(waiting("a"), waiting("b")))
    path = f"/api/v1/executions/{execution['id']}"

    async def command(name: str, **body) -> tuple[int, str, int]:
        reply = await caller.http.post(f"{path}/{name}", **({"json": body} if body else {}))
        found = reply.json()
        return reply.status_code, found.get("status", found.get("code")), found.get("revision", -1)

    assert await command("pause") == (200, "paused", 1)
    assert await command("pause") == (200, "paused", 1)
    world.gate("a").set()
    stale = await caller.http.post(f"{path}/resume", json={"expected_revision": 0})
    assert stale.status_code == 409
    assert (await command("resume", expected_revision=1))[:2] == (200, "running")
    world.gate("b").set()
    await caller.reach(execution["id"], "completed")
    assert (await command("pause"))[0] == 409
    second = await caller.start(sequence(waiting("c")))
    path = f"/api/v1/executions/{second['id']}"
    assert (await command("cancel"))[0] == 200
    await caller.reach(second["id"], "cancelled")
    assert (await command("cancel"))[:2] == (200, "cancelled")
    assert (await command("resume"))[0] == 409


async def test_a_paused_execution_is_patched(caller: Caller, world) -> None:
    graph = sequence(waiting("a"), noting("b", output="seen"), state={"k": {"default": 1}}, input_schema=INPUT_SCHEMA)
    execution = await caller.start(graph, input_data={"q": "old"})
    path = f"/api/v1/executions/{execution['id']}"
    assert (await caller.http.patch(path, json={"input_patch": {"q": "new"}})).status_code == 409
    assert (await caller.http.post(f"{path}/pause")).status_code == 200
    reply = await caller.http.patch(path, json={"input_patch": {"q": "new"}, "state_patch": {"k": 2}})
    assert reply.status_code == 200, reply.text
    assert reply.json()["input_data"] == {"q": "new"} and reply.json()["revision"] == 2
    broken = await caller.http.patch(path, json={"input_patch": {"q": None}})
    assert broken.status_code == 422 and broken.json()["errors"]
    known = await caller.get(path.rsplit("/", 1)[-1])
    for nothing in ({}, {"input_patch": {}}, {"state_patch": {"k": 2}, "expected_revision": known["revision"]}):
        reply = await caller.http.patch(path, json=nothing)
        assert (reply.status_code, reply.json()["revision"]) == (200, known["revision"])
    assert (await caller.http.patch(path, json={"expected_revision": 1})).status_code == 409
    assert (await caller.http.patch(path, json={"state_patch": {"k": 3}, "expected_revision": 1})).status_code == 409


async def test_a_replay_runs_on_and_a_rollback_stays_paused(caller: Caller, world) -> None:
    world.failing.add("b")
    execution = await caller.start(sequence(noting("a"), noting("b")), input_data={"q": 1}, metadata={"m": 1})
    failed = await caller.reach(execution["id"], "failed")
    path = f"/api/v1/executions/{execution['id']}"
    world.failing.clear()
    after_a = failed["checkpoints"][1]["id"]
    reply = await caller.http.post(f"{path}/replay", json={"checkpoint_id": after_a})
    assert reply.status_code == 200, reply.text
    assert reply.json() == {
        "id": execution["id"],
        "status": reply.json()["status"],
        "message": f"Execution replayed from {after_a}",
        "metadata": {"m": 1},
        "revision": reply.json()["revision"],
        "replay_execution_id": execution["id"],
    }
    done = await caller.reach(execution["id"], "completed")
    assert world.of(execution["id"]) == ["a", "b"]
    reply = await caller.http.post(f"{path}/rollback", json={"checkpoint_name": "start", "input_patch": {"q": 2}})
    assert (reply.status_code, reply.json()["status"]) == (200, "paused")
    assert reply.json()["message"] == "Execution rolled back to start"
    paused = await caller.get(execution["id"])
    assert [c["name"] for c in paused["checkpoints"]] == ["start"]
    assert paused["output_data"] is None and paused["input_data"] == {"q": 2}
    gone = await caller.http.get(f"{path}/checkpoints/{done['checkpoints'][2]['id']}")
    assert gone.status_code == 404
    assert (await caller.http.post(f"{path}/resume")).status_code == 200
    await caller.reach(execution["id"], "completed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"checkpoint_id": ""},
        {"checkpoint_id": None},
        {"checkpoint_id": "a", "checkpoint_name": "b"},
        {"checkpoint_id": "a", "input_patch": 5},
        {"checkpoint_id": "a", "expected_revision": -1},
        {"checkpoint_id": "a", "expected_revision": True},
        {"checkpoint_id": 5},
    ],
)
async def test_a_reset_must_name_one_checkpoint(caller: Caller, body) -> None:
    for kind in ("replay", "rollback"):
        reply = await caller.http.post(f"/api/v1/executions/any/{kind}", json=body)
        assert reply.status_code == 422 and reply.json()["errors"], reply.text


async def test_a_reset_to_what_is_not_there_or_not_allowed(caller: Caller, world) -> None:
    execution = await caller.start(sequence(waiting("a"), input_schema=INPUT_SCHEMA), input_data={"q": "x"})
    path = f"/api/v1/executions/{execution['id']}"
    other = await caller.start(sequence(noting("b")))
    foreign = (await caller.reach(other["id"], "completed"))["checkpoints"][0]["id"]
    for kind in ("replay", "rollback"):
        for body in ({"checkpoint_id": "chk_unknown"}, {"checkpoint_name": "nowhere"}, {"checkpoint_id": foreign}):
            reply = await caller.http.post(f"{path}/{kind}", json=body)
            assert reply.status_code == 404, reply.text
        unknown = await caller.http.post(f"/api/v1/executions/unknown/{kind}", json={"checkpoint_name": "start"})
        assert unknown.status_code == 404
    running = await caller.http.post(f"{path}/replay", json={"checkpoint_name": "start"})
    assert running.status_code == 409
    body = {"checkpoint_name": "start", "input_patch": {"q": 5}}
    broken = await caller.http.post(f"{path}/rollback", json=body)
    assert broken.status_code == 422 and broken.json()["errors"][0]["pointer"] == "/input_patch/q"
    stale = await caller.http.post(f"{path}/rollback", json={"checkpoint_name": "start", "expected_revision": 7})
    assert stale.status_code == 409
    forced = await caller.http.post(f"{path}/replay", json={"checkpoint_name": "start", "force": True})
    assert forced.status_code == 200, forced.text


async def test_the_same_reset_with_one_key_is_made_once(caller: Caller, world) -> None:
    execution = await caller.start(sequence(noting("a"), noting("b")))
    await caller.reach(execution["id"], "completed")
    send = [
        caller.http.post(
            f"/api/v1/executions/{execution['id']}/rollback",
            json={"checkpoint_name": "a"},
            headers={"Idempotency-Key": "once"},
        )
        for _ in range(3)
    ]
    statuses = sorted(reply.status_code for reply in await asyncio.gather(*send))
    assert statuses[0] == 200 and set(statuses) <= {200, 409}
    assert (await caller.get(execution["id"]))["revision"] == 1


async def test_checkpoints_tell_what_was_known(caller: Caller, callers: Callers, world) -> None:
    graph = sequence(noting("a", output="seen"), noting("b"), state={"seen": {}})
    execution = await caller.start(graph, input_data={"q": 1})
    done = await caller.reach(execution["id"], "completed")
    ids = [c["id"] for c in done["checkpoints"]]
    at_a = (await caller.http.get(f"/api/v1/executions/{execution['id']}/checkpoints/{ids[1]}")).json()
    assert at_a["name"] == "a" and at_a["execution_id"] == execution["id"]
    assert at_a["input"] == {"q": 1}
    assert at_a["state"] == {"seen": {"entry": "a", "value": None}}
    assert at_a["outputs"]["a"] == {"entry": "a", "value": None} and "b" not in at_a["outputs"]
    page = (await caller.http.get(f"/api/v1/checkpoints?execution_id={execution['id']}&limit=2&offset=1")).json()
    assert [c["id"] for c in page.pop("checkpoints")] == ids[1:]
    assert page == {"total": 3, "limit": 2, "offset": 1}
    alone = (await caller.http.get(f"/api/v1/checkpoints/{ids[1]}")).json()
    assert alone["execution_id"] == execution["id"] and alone["state"] is None
    known = (await caller.http.get(f"/api/v1/checkpoints/{ids[1]}?include_state=true")).json()
    assert at_a.pop("diff") is None
    assert known == at_a
    there = f"/api/v1/checkpoints/{ids[1]}?include_state=true&execution_id={execution['id']}"
    assert (await caller.http.get(there)).json() == at_a
    assert (await caller.http.get("/api/v1/checkpoints/chk_unknown")).status_code == 404
    other = await callers.new()
    assert (await other.http.get(f"/api/v1/checkpoints/{ids[1]}")).status_code == 404
    for bad in ("", "execution_id=x&limit=0", "execution_id=x&offset=-1"):
        assert (await caller.http.get(f"/api/v1/checkpoints?{bad}")).status_code == 422
    assert (await caller.http.get("/api/v1/checkpoints?execution_id=unknown")).status_code == 404


async def test_what_is_sent_comes_back_as_it_was(caller: Caller, world) -> None:
    nested: object = "core"
    for _ in range(190):
        nested = [nested]
    sent = {
        "nested": nested,
        "integer": 2**70,
        "float": 1e300,
        "text": "\u0000 \u2028 é 🗿",
        "large": "x" * 3_000_000,
        "": {"/~": None},
    }
    started = await caller.start(sequence(noting("a")), input_data=sent)
    done = await caller.reach(started["id"], "completed")
    assert done["input_data"] == sent
    assert (await caller.http.get("/api/v1/executions")).json()["items"][0]["input_data"] == sent
    at_start = f"/api/v1/executions/{started['id']}/checkpoints/{done['checkpoints'][0]['id']}"
    assert (await caller.http.get(at_start)).json()["input"] == sent
