"""Agents over the API: made, listed, configured, run as their graphs, counted, deleted."""

from __future__ import annotations

import asyncio

import pytest
from agentflow_agents import AGENT, AGENTS, execution, make
from graphs import noting, sequence
from installation import Cairn, until
from served import Caller, Callers, served
from sqlalchemy import update
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.persistence.tables import ExecutionRow
from cairn.settings import Settings

WHOLE: JsonObject = {
    "name": " Clerk ",
    "description": "Answers.",
    "category": "support",
    "model": "offline",
    "temperature": 0.5,
    "instructions": "Say {{ nothing }} but {% numbers %}.",
    "max_turns": 5,
    "max_cost": 1.5,
    "tools": ["calculate", "echo"],
    "skills": ["refunds"],
    "prompt_blocks": ["tone"],
    "context_blocks": ["shop"],
    "knowledge_bases": ["kb_1"],
    "memory": {"enabled": True, "scopes": ["user", "agent"]},
    "approval_defaults": {"enabled": True, "timeout_seconds": 60},
    "approvals": {"echo": {"enabled": False, "timeout_seconds": 60, "approvers": ["ann"]}},
    "questions": {"enabled": True, "timeout_seconds": 600},
    "metadata": {"team": {"name": "a", "size": 3}},
    "colour": "ignored",
}


async def test_an_agent_is_made_and_read(caller: Caller) -> None:
    made = await make(caller, **WHOLE)
    assert (made["name"], made["model"], made["tools_count"], made["subagents_count"]) == ("Clerk", "offline", 2, 0)
    assert (made["parent_id"], made["status"], made["revision"]) == (None, "active", 1)
    assert made["workflow"] == {"id": made["workflow"]["id"], "uuid": made["id"], "version": 1}
    assert (await caller.http.get(AGENT + made["id"])).json() == made
    config = await caller.http.get(f"{AGENT}{made['id']}/config")
    assert config.headers["ETag"] == '"1"'
    expected = {key: value for key, value in WHOLE.items() if key != "colour"}
    others = {"status": "active", "subagents": [], "output_schema": None, "id": made["id"], "revision": 1}
    assert config.json() == {**expected, **others, "name": "Clerk"}


async def test_what_is_left_out_has_a_default(caller: Caller) -> None:
    made = await make(caller)
    config = (await caller.http.get(f"{AGENT}{made['id']}/config")).json()
    assert (config["model"], made["model"]) == (None, "offline")
    assert (config["category"], config["max_turns"], config["max_cost"]) == ("general", 10, None)
    assert config["memory"] == {"enabled": False, "scopes": ["user"]}
    assert config["approval_defaults"] == {"enabled": False, "timeout_seconds": 300}


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"name": " "}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": "a\nb"}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"tools": ["calculate", "nowhere", "gone"]}, ["tools", 1]),
        ({"tools": ["echo", "echo"]}, ["tools"]),
        ({"tools": "echo"}, ["tools"]),
        ({"subagents": ["nobody"]}, ["subagents", 0]),
        ({"model": "gpt"}, ["model"]),
        ({"temperature": 3}, ["temperature"]),
        ({"max_turns": 0}, ["max_turns"]),
        ({"max_cost": 0}, ["max_cost"]),
        ({"output_schema": {"type": "nothing"}}, ["output_schema"]),
        ({"memory": {"enabled": "yes"}}, ["memory", "enabled"]),
        ({"memory": {"scopes": ["all"]}}, ["memory", "scopes", 0]),
        ({"approval_defaults": {"timeout_seconds": 9}}, ["approval_defaults", "timeout_seconds"]),
        ({"approvals": {"echo": {"enabled": True}}}, ["approvals", "echo"]),
        ({"questions": {"timeout_seconds": 9}}, ["questions", "timeout_seconds"]),
        ({"metadata": {"a": "x" * 17_000}}, ["metadata"]),
        ({"status": "asleep"}, ["status"]),
    ],
)
async def test_what_is_wrong_is_told_by_its_place_and_nothing_is_made(
    caller: Caller, change: JsonObject, at: list[str | int]
) -> None:
    refused = await caller.http.post(AGENTS, json={"name": "n", **change})
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"][0]["loc"] == ["body", *at]
    made = await make(caller)
    changed = await caller.http.patch(f"{AGENT}{made['id']}/config", json=change)
    assert changed.status_code == 422 and changed.json()["detail"][0]["loc"] == ["body", *at]
    assert (await caller.http.get(AGENT + made["id"])).json() == made
    assert (await caller.http.get(AGENTS)).json()["total"] == 1
    assert (await caller.http.get("/api/v1/workflow/count")).json()["total"] == 1


@pytest.mark.parametrize("model", ["openai:gpt-5.2", "azure:gpt-5.2", "openrouter:openai/gpt-5.2", "local"])
async def test_models_of_all_providers_may_be_named(caller: Caller, model: str) -> None:
    assert (await make(caller, model=model))["model"] == model


async def test_all_unknown_tools_are_named(caller: Caller) -> None:
    refused = (await caller.http.post(AGENTS, json={"name": "n", "tools": ["gone", "echo", "lost"]})).json()
    assert refused["code"] == "invalid_input"
    assert [(each["loc"][-1], each["msg"]) for each in refused["detail"]] == [
        (0, "There is no tool 'gone'"),
        (2, "There is no tool 'lost'"),
    ]


async def test_a_patch_is_merged_and_publishes_what_runs(caller: Caller) -> None:
    made = await make(caller, **WHOLE)
    path = f"{AGENT}{made['id']}/config"
    changed = await caller.http.patch(
        path, json={"metadata": {"team": {"size": None, "lead": "b"}}, "memory": {"enabled": False}, "max_cost": None}
    )
    assert changed.status_code == 200, changed.text
    config = changed.json()
    assert config["metadata"] == {"team": {"name": "a", "lead": "b"}}
    assert config["memory"] == {"enabled": False, "scopes": ["user", "agent"]}
    assert (config["max_cost"], config["temperature"], config["revision"]) == (None, 0.5, 2)
    assert changed.headers["ETag"] == '"2"'
    # What it does is another thing now (max_cost); what is only said of it is not.
    assert (await caller.http.get(AGENT + made["id"])).json()["workflow"]["version"] == 2
    said = (await caller.http.patch(path, json={"description": "Other.", "knowledge_bases": []})).json()
    assert (said["description"], said["knowledge_bases"], said["revision"]) == ("Other.", [], 3)
    now = (await caller.http.get(AGENT + made["id"])).json()
    assert (now["workflow"]["version"], now["description"]) == (2, "Other.")
    graph = (await caller.http.get(f"/api/v1/workflow/fetch/{made['id']}")).json()
    assert (graph["name"], graph["version_status"]) == ("Clerk", "published")


async def test_what_changes_nothing_is_no_change(caller: Caller) -> None:
    made = await make(caller, **WHOLE)
    path = f"{AGENT}{made['id']}/config"
    config = (await caller.http.get(path)).json()
    for body in ({}, config, {"name": "Clerk", "unknown": 1}):
        assert (await caller.http.patch(path, json=body)).json() == config
    assert (await caller.http.get(AGENT + made["id"])).json() == made


async def test_a_renamed_agent_renames_its_graph(caller: Caller) -> None:
    made = await make(caller)
    assert (await caller.http.patch(f"{AGENT}{made['id']}/config", json={"name": "Other"})).json()["name"] == "Other"
    assert (await caller.http.get(f"/api/v1/workflow/fetch/{made['id']}")).json()["name"] == "Other"


@pytest.mark.parametrize(
    ("header", "body", "status"),
    [
        ('"1"', {}, 200),
        ("1", {}, 200),
        ('W/"1"', {}, 200),
        ("*", {}, 200),
        (None, {"revision": 1}, 200),
        ('"2"', {}, 409),
        (None, {"revision": 2}, 409),
        ('"2"', {"revision": 1}, 409),
        ("latest", {}, 422),
        (None, {"revision": "1"}, 422),
        (None, {"revision": 0}, 422),
    ],
)
async def test_a_stale_revision_is_refused(caller: Caller, header: str | None, body: JsonObject, status: int) -> None:
    made = await make(caller)
    headers = {"If-Match": header} if header else {}
    reply = await caller.http.patch(f"{AGENT}{made['id']}/config", json={"description": "d", **body}, headers=headers)
    assert reply.status_code == status, reply.text
    if status == 409:
        said = reply.json()
        assert (said["code"], said["expected_revision"], said["current_revision"]) == ("stale_revision", 2, 1)


async def test_of_two_who_change_one_revision_one_is_refused(caller: Caller) -> None:
    made = await make(caller)
    send = [
        caller.http.patch(f"{AGENT}{made['id']}/config", json={"instructions": f"{number}", "revision": 1})
        for number in range(4)
    ]
    replies = await asyncio.gather(*send)
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]
    now = (await caller.http.get(AGENT + made["id"])).json()
    assert (now["revision"], now["workflow"]["version"]) == (2, 2)


async def test_lists_are_filtered_and_paged(caller: Caller) -> None:
    made = [
        await make(caller, name="Order clerk", category="support"),
        await make(caller, name="100% writer", model="openai:gpt-5.2"),
        await make(caller, name="Old CLERK", status="archived"),
    ]
    below = (await caller.http.post(f"{AGENT}{made[0]['id']}/subagents", json={"name": "Below"})).json()

    async def listed(**query: object) -> list[str]:
        reply = await caller.http.get(AGENTS, params=query)
        assert reply.status_code == 200, reply.text
        return [each["name"] for each in reply.json()["agents"]]

    assert await listed() == ["Old CLERK", "100% writer", "Order clerk"]
    assert await listed(search="clerk") == ["Old CLERK", "Order clerk"]
    assert await listed(search="0%") == ["100% writer"] and await listed(search="_") == []
    assert await listed(search="clerk", status="active") == await listed(category="support") == ["Order clerk"]
    assert await listed(model="offline") == ["Old CLERK", "Order clerk"]
    assert await listed(model="openai:gpt-5.2") == ["100% writer"]
    assert await listed(include_subagents=True) == ["Below", "Old CLERK", "100% writer", "Order clerk"]
    first = (await caller.http.get(AGENTS, params={"page_size": 2})).json()
    assert (first["total"], first["page"], first["page_size"]) == (3, 1, 2)
    assert first["agents"][1] == {key: made[1][key] for key in first["agents"][1]}
    await make(caller, name="Later")
    second = await caller.http.get(AGENTS, params={"page_size": 2, "page": 2, "anchor": first["anchor"]})
    assert [each["name"] for each in second.json()["agents"]] == ["Order clerk"]
    assert (second.json()["agents"][0]["subagents_count"], below["parent_id"]) == (1, made[0]["id"])
    for query in ({"page": 0}, {"page_size": 101}, {"status": "asleep"}, {"search": ""}, {"include_subagents": "x"}):
        assert (await caller.http.get(AGENTS, params=query)).status_code == 422


async def test_a_run_of_an_agent_is_an_execution_of_its_graph(caller: Caller, world) -> None:
    made = await make(caller, instructions="Say {{ as it stands }}.", tools=["calculate"])
    started = await execution(caller, made["id"], "How much is 6 * 7?")
    done = await caller.reach(started["id"], "completed")
    assert "42" in done["output_data"]["content"]
    assert done["workflow_id"] == made["id"]
    empty = await caller.http.post("/api/v1/executions", json={"workflow_id": made["id"], "input_data": {}})
    assert empty.status_code == 422


async def test_a_call_that_needs_approval_waits_for_a_person(caller: Caller, world) -> None:
    made = await make(caller, name="Clerk", tools=["calculate"], approvals={"calculate": {"enabled": True}})
    started = await execution(caller, made["id"], "How much is 6 * 7?")

    async def asked() -> JsonObject | None:
        found = await caller.http.get("/api/v1/approvals/pending", params={"agent_id": made["id"]})
        return next(iter(found.json()["approvals"]), None)

    approval = await until(asked)
    assert (approval["tool_name"], approval["agent_id"]) == ("calculate", made["id"])
    await caller.http.post(f"/api/v1/approvals/{approval['id']}/respond", json={"decision": "approved"})
    assert "42" in (await caller.reach(started["id"], "completed"))["output_data"]["content"]


async def test_of_an_archived_agent_nothing_is_started(caller: Caller) -> None:
    made = await make(caller)
    path = f"{AGENT}{made['id']}/config"
    assert (await caller.http.patch(path, json={"status": "archived"})).json()["status"] == "archived"
    body = {"workflow_id": made["id"], "input_data": {"message": "m"}}
    refused = await caller.http.post("/api/v1/executions", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "workflow_archived")
    assert (await caller.http.patch(path, json={"status": "active"})).json()["revision"] == 3
    assert (await caller.http.post("/api/v1/executions", json=body)).status_code == 201


async def test_an_agent_is_deleted_and_its_executions_stay(caller: Caller, world) -> None:
    made = await make(caller)
    done = await caller.reach((await execution(caller, made["id"], "Hello"))["id"], "completed")
    assert (await caller.http.delete(AGENT + made["id"])).status_code == 204
    for reply in (
        await caller.http.get(AGENT + made["id"]),
        await caller.http.delete(AGENT + made["id"]),
        await caller.http.get(f"{AGENT}{made['id']}/config"),
        await caller.http.patch(f"{AGENT}{made['id']}/config", json={}),
    ):
        assert (reply.status_code, reply.json()["code"]) == (404, "agent_not_found")
    assert (await caller.get(done["id"]))["output_data"] == done["output_data"]
    assert (await caller.http.get(AGENTS)).json()["agents"] == []
    body = {"workflow_id": made["id"], "input_data": {"message": "m"}}
    assert (await caller.http.post("/api/v1/executions", json=body)).json()["code"] == "workflow_archived"


async def test_an_agent_that_runs_is_deleted_by_force_alone(caller: Caller, world) -> None:
    made = await make(caller, tools=["calculate"], approvals={"calculate": {"enabled": True}})
    started = [await execution(caller, made["id"], "How much is 6 * 7?") for _ in range(2)]
    refused = await caller.http.delete(AGENT + made["id"])
    assert (refused.status_code, refused.json()["code"], refused.json()["running"]) == (409, "agent_busy", 2)
    assert (await caller.http.get(AGENT + made["id"])).json() == made
    forced = await caller.http.delete(AGENT + made["id"], params={"force": True})
    assert forced.status_code == 204, forced.text
    for each in started:
        await caller.reach(each["id"], "cancelled")
    assert (await caller.http.get(AGENT + made["id"])).status_code == 404


async def test_figures_are_counted(caller: Caller, callers: Callers, world) -> None:
    nothing = (await caller.http.get(f"{AGENTS}/stats")).json()
    assert (nothing["total"], nothing["executions_24h"], nothing["success_rate_24h"]) == (0, 0, None)
    made = await make(caller, category="support")
    await make(caller, model="openai:gpt-5.2", status="archived")
    below = (await caller.http.post(f"{AGENT}{made['id']}/subagents", json={"name": "Below"})).json()
    runs = [await execution(caller, agent, "Hello") for agent in (made["id"], below["id"], made["id"], made["id"])]
    for each in runs:
        await caller.reach(each["id"], "completed")
    async with callers.database.transaction() as session:
        for run, values in zip(runs, ({"status": "failed"}, {"status": "cancelled"}), strict=False):
            await session.execute(update(ExecutionRow).where(col(ExecutionRow.id) == run["id"]).values(**values))
    await caller.start(sequence(noting("of no agent")))
    counted = (await caller.http.get(f"{AGENTS}/stats")).json()
    assert counted == {
        "total": 2,
        "active": 1,
        "subagents": 1,
        "by_category": {"support": 1, "general": 1},
        "by_model": {"offline": 1, "openai:gpt-5.2": 1},
        "executions_24h": 4,
        "success_rate_24h": 2 / 3,
    }


async def test_an_idempotency_key_makes_one(caller: Caller) -> None:
    send = [caller.http.post(AGENTS, json={"name": "n"}, headers={"Idempotency-Key": "one"}) for _ in range(4)]
    replies = await asyncio.gather(*send)
    again = await caller.http.post(AGENTS, json={"name": "n"}, headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert (await caller.http.get(AGENTS)).json()["total"] == 1


async def test_keys_need_the_scope_and_others_find_nothing(caller: Caller, callers: Callers) -> None:
    made = await make(caller)
    reader = await callers.new(caller.tenant, scopes=["agents:read"])
    assert (await reader.http.get(AGENT + made["id"])).status_code == 200
    for reply in (
        await reader.http.post(AGENTS, json={"name": "n"}),
        await reader.http.patch(f"{AGENT}{made['id']}/config", json={}),
        await reader.http.delete(AGENT + made["id"]),
    ):
        assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    blind = await callers.new(caller.tenant, scopes=["graphs:read"])
    assert (await blind.http.get(AGENTS)).status_code == 403
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await other.http.get(AGENT + made["id"])).status_code == 404
        assert (await other.http.get(AGENTS)).json()["total"] == 0
        assert (await other.http.get(f"{AGENTS}/stats")).json()["total"] == 0
        # An agent of others is no sub-agent of mine.
        refused = await other.http.post(AGENTS, json={"name": "n", "subagents": [made["id"]]})
        assert refused.status_code == 422
    keyless = await callers.client().get(AGENTS)
    assert (keyless.status_code, set(keyless.json())) == (401, {"detail", "code", "request_id"})


async def test_a_deletion_that_nobody_could_carry_out_goes_on_when_it_is_sent_again(
    idle_cairn: Cairn, settings: Settings
) -> None:
    async with served(settings) as url:
        callers = Callers(url, idle_cairn.database, settings)
        caller = await callers.new()
        made = await make(caller)
        started = await execution(caller, made["id"], "Hello")
        unheard = await caller.http.delete(AGENT + made["id"], params={"force": True})
        assert (unheard.status_code, unheard.json()["code"]) == (503, "worker_unavailable")
        assert (await caller.http.get(AGENT + made["id"])).json()["status"] == "archived"
        async with idle_cairn.worker():
            # The worker may have got to its end before it is told.
            assert (await caller.http.delete(AGENT + made["id"], params={"force": True})).status_code == 204

            async def ended() -> bool:
                return (await caller.get(started["id"]))["status"] in ("cancelled", "completed")

            await until(ended)
        assert (await caller.http.get(AGENT + made["id"])).status_code == 404
        await callers.close()
