"""Sub-agents over the API: made under an agent, assigned, given tools, taken off."""

from __future__ import annotations

import pytest
from agentflow_agents import AGENT, AGENTS, execution, make, make_below
from served import Caller, Callers

from cairn.contracts.json import JsonObject


async def subagents(caller: Caller, agent: str) -> list[str]:
    return (await caller.http.get(f"{AGENT}{agent}/config")).json()["subagents"]


async def test_a_sub_agent_is_made_read_and_changed(caller: Caller) -> None:
    parent = await make(caller)
    path = f"{AGENT}{parent['id']}/subagents"
    body = {
        "name": "Writer",
        "description": "Writes.",
        "instructions": "Write.",
        "model": "offline",
        "tools": ["echo"],
        "output_schema": {"type": "object"},
        "max_turns": 3,
    }
    made = await caller.http.post(path, json=body)
    assert made.status_code == 201, made.text
    below = made.json()
    assert {key: below[key] for key in body} == body
    assert below["parent_id"] == parent["id"] and below["workflow"]["version"] == 1
    assert (await caller.http.get(f"{path}/{below['id']}")).json() == below
    assert (await caller.http.get(AGENT + below["id"])).json() == below
    now = (await caller.http.get(AGENT + parent["id"])).json()
    assert now["subagents"] == [{"id": below["id"], "name": "Writer", "description": "Writes."}]
    assert (now["subagents_count"], now["revision"], now["workflow"]["version"]) == (1, 2, 2)
    config = await caller.http.get(f"{path}/{below['id']}/config")
    assert (config.json()["max_turns"], config.headers["ETag"]) == (3, '"1"')
    changed = await caller.http.patch(f"{path}/{below['id']}", json={"max_turns": 4}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["max_turns"], changed.json()["workflow"]["version"]) == (200, 4, 2)
    for stale in ({"headers": {"If-Match": '"1"'}, "json": {}}, {"json": {"revision": 1}}):
        refused = await caller.http.patch(f"{path}/{below['id']}", **stale)
        assert (refused.status_code, refused.json()["code"]) == (409, "stale_revision")


async def test_sub_agents_are_listed_newest_first(caller: Caller) -> None:
    parent = await make(caller)
    path = f"{AGENT}{parent['id']}/subagents"
    assert (await caller.http.get(path)).json()["subagents"] == []
    made = [(await make_below(caller, parent["id"], name=name))["id"] for name in "abc"]
    first = (await caller.http.get(path, params={"page_size": 2})).json()
    assert [each["name"] for each in first["subagents"]] == ["c", "b"] and first["total"] == 3
    await make_below(caller, parent["id"], name="d")
    rest = await caller.http.get(path, params={"page_size": 2, "page": 2, "anchor": first["anchor"]})
    assert [each["id"] for each in rest.json()["subagents"]] == [made[0]]
    assert (await subagents(caller, parent["id"]))[:3] == made


async def test_tools_are_assigned_and_removed(caller: Caller) -> None:
    parent = await make(caller, tools=["calculate", "echo"])
    below = await make_below(caller, parent["id"])
    path = f"{AGENT}{parent['id']}/subagents/{below['id']}"

    async def names(what: str) -> list[str]:
        listed = (await caller.http.get(f"{path}/{what}")).json()
        assert listed["total"] == len(listed["tools"])
        return [each["name"] for each in listed["tools"]]

    assert (await names("tools"), await names("available-tools")) == ([], ["calculate", "echo"])
    given = await caller.http.post(f"{path}/tools", json={"tool": "calculate", "require_approval": True})
    assert given.status_code == 201, given.text
    tool = given.json()
    assert (tool["name"], tool["require_approval"]) == ("calculate", True)
    assert tool["description"] and "expression" in tool["args_schema"]["properties"]
    assert (await names("tools"), await names("available-tools")) == (["calculate"], ["echo"])
    again = await caller.http.post(f"{path}/tools", json={"tool": "calculate"})
    assert (again.status_code, again.json()["code"]) == (409, "tool_assigned")
    for unknown in ({"tool": "nowhere"}, {"tool": 5}, {}):
        refused = await caller.http.post(f"{path}/tools", json=unknown)
        assert refused.status_code == 422 and refused.json()["detail"][0]["loc"] == ["body", "tool"]
    plain = (await caller.http.post(f"{path}/tools", json={"tool": "current_time"})).json()
    assert plain["require_approval"] is False
    assert (await caller.http.get(path)).json()["tools"] == ["calculate", "current_time"]
    assert (await caller.http.delete(f"{path}/tools/calculate")).status_code == 204
    gone = await caller.http.delete(f"{path}/tools/calculate")
    assert (gone.status_code, gone.json()["code"]) == (404, "tool_not_found")
    assert (await caller.http.get(f"{path}/config")).json()["approvals"] == {}
    assert await names("tools") == ["current_time"]


async def test_an_agent_that_exists_is_assigned_and_only_taken_off(caller: Caller) -> None:
    parent, other = await make(caller), await make(caller, name="Other")
    assert (
        await caller.http.patch(f"{AGENT}{parent['id']}/config", json={"subagents": [other["id"]]})
    ).status_code == 200
    assert (await caller.http.get(f"{AGENT}{parent['id']}/subagents/{other['id']}")).json()["parent_id"] is None
    deleted = await caller.http.delete(f"{AGENT}{parent['id']}/subagents/{other['id']}")
    assert deleted.status_code == 204
    assert await subagents(caller, parent["id"]) == []
    assert (await caller.http.get(AGENT + parent["id"])).json()["revision"] == 3
    assert (await caller.http.get(AGENT + other["id"])).status_code == 200


async def test_one_that_was_made_below_stands_by_itself_when_it_is_left_out(caller: Caller) -> None:
    parent = await make(caller)
    below = await make_below(caller, parent["id"])
    await caller.http.patch(f"{AGENT}{parent['id']}/config", json={"subagents": []})
    assert (await caller.http.get(AGENT + below["id"])).json()["parent_id"] is None
    assert (await caller.http.get(AGENTS)).json()["total"] == 2


async def test_cycles_and_depth_are_refused_and_nothing_is_kept(caller: Caller) -> None:
    chain = [await make(caller, name="0")]
    for level in range(1, 6):
        chain.append(await make_below(caller, chain[-1]["id"], name=str(level)))
    ids = [each["id"] for each in chain]
    for agent, below in ((ids[0], ids[0]), (ids[1], ids[0]), (ids[5], ids[0])):
        refused = await caller.http.patch(f"{AGENT}{agent}/config", json={"subagents": [below]})
        assert (refused.status_code, refused.json()["code"]) == (409, "subagent_cycle")
    deep = await caller.http.post(f"{AGENT}{ids[5]}/subagents", json={"name": "6"})
    assert (deep.status_code, deep.json()["code"]) == (409, "subagents_too_deep")
    above = await caller.http.post(AGENTS, json={"name": "above", "subagents": [ids[0]]})
    assert (above.status_code, above.json()["code"]) == (409, "subagents_too_deep")
    listed = (await caller.http.get(AGENTS, params={"include_subagents": True})).json()
    assert {each["id"] for each in listed["agents"]} == set(ids)
    assert [await subagents(caller, each) for each in ids] == [[each] for each in ids[1:]] + [[]]
    assert (await caller.http.post(AGENTS, json={"name": "beside", "subagents": [ids[1]]})).status_code == 201


async def test_what_was_made_below_is_deleted_with_it_unless_others_have_it(caller: Caller) -> None:
    parent, other = await make(caller), await make(caller, name="Other")
    mine, shared = await make_below(caller, parent["id"]), await make_below(caller, parent["id"])
    deeper = await make_below(caller, mine["id"])
    # Both are used by one that goes as well; the shared one also by one that stays.
    await caller.http.patch(f"{AGENT}{mine['id']}/config", json={"subagents": [deeper["id"], shared["id"]]})
    await caller.http.patch(f"{AGENT}{other['id']}/config", json={"subagents": [shared["id"]]})
    assert (await caller.http.delete(AGENT + parent["id"])).status_code == 204
    for gone in (parent, mine, deeper):
        assert (await caller.http.get(AGENT + gone["id"])).status_code == 404
    assert (await caller.http.get(AGENT + shared["id"])).json()["parent_id"] is None
    assert await subagents(caller, other["id"]) == [shared["id"]]


async def test_a_sub_agent_that_runs_is_deleted_by_force_alone(caller: Caller, world) -> None:
    parent = await make(caller)
    below = await make_below(
        caller, parent["id"], tools=["calculate"], approval_defaults={"enabled": True, "timeout_seconds": 3600}
    )
    started = await execution(caller, below["id"], "How much is 6 * 7?")
    path = f"{AGENT}{parent['id']}/subagents/{below['id']}"
    for busy in (path, AGENT + parent["id"]):
        refused = await caller.http.delete(busy)
        assert (refused.status_code, refused.json()["code"], refused.json()["running"]) == (409, "agent_busy", 1)
    assert (await caller.http.delete(path, params={"force": True})).status_code == 204
    await caller.reach(started["id"], "cancelled")
    now = (await caller.http.get(AGENT + parent["id"])).json()
    assert (now["subagents"], now["revision"]) == ([], 3)


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("GET", "", None),
        ("GET", "/config", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("GET", "/tools", None),
        ("POST", "/tools", {"tool": "echo"}),
        ("DELETE", "/tools/echo", None),
        ("GET", "/available-tools", None),
    ],
)
async def test_a_sub_agent_is_there_under_its_agents_alone(
    caller: Caller, callers: Callers, method: str, rest: str, body: JsonObject | None
) -> None:
    parent, other = await make(caller), await make(caller)
    below = await make_below(caller, parent["id"], tools=["echo"])

    async def code(who: Caller, agent: str, subagent: str) -> tuple[int, str]:
        reply = await who.http.request(method, f"{AGENT}{agent}/subagents/{subagent}{rest}", json=body)
        return reply.status_code, reply.json()["code"]

    assert await code(caller, other["id"], below["id"]) == (404, "subagent_not_found")
    assert await code(caller, parent["id"], "nobody") == (404, "subagent_not_found")
    assert await code(caller, "nobody", below["id"]) == (404, "agent_not_found")
    stranger = await callers.new()
    assert await code(stranger, parent["id"], below["id"]) == (404, "agent_not_found")
    reader = await callers.new(caller.tenant, scopes=["agents:read"])
    if method != "GET":
        assert (await code(reader, parent["id"], below["id"]))[0] == 403
    assert (await caller.http.get(AGENT + below["id"])).json() == below


async def test_an_idempotency_key_makes_one_and_assigns_once(caller: Caller) -> None:
    parent = await make(caller)
    path, key = f"{AGENT}{parent['id']}/subagents", {"Idempotency-Key": "k"}
    first, again = [await caller.http.post(path, json={"name": "n"}, headers=key) for _ in range(2)]
    assert again.json() == first.json() and len(await subagents(caller, parent["id"])) == 1
    tools = f"{path}/{first.json()['id']}/tools"
    replies = [await caller.http.post(tools, json={"tool": "echo"}, headers=key) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 201]
    other = await caller.http.post(tools, json={"tool": "calculate"}, headers=key)
    assert other.status_code == 422
