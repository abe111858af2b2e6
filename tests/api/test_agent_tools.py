"""The tools of agents over the API: made, read, changed, approved, removed; what is refused."""

from __future__ import annotations

import asyncio

import pytest
from agentflow_agents import AGENT, AGENTS, make, make_below
from served import Caller, Callers

from cairn.contracts.json import JsonObject

SQUARE_SCHEMA = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
SQUARE = {
    "name": "square",
    "description": "Square a number.",
    "kind": "python",
    "args_schema": SQUARE_SCHEMA,
    "function_code": "def run(n):\n    return n * n",
    "tags": ["numbers"],
    "execution_timeout": 5,
}
ORDER = {
    "name": "find_order",
    "kind": "http",
    "args_schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    "http": {"method": "GET", "url": "https://shop.example/orders/{id}"},
}
SHAPE = {
    "id", "uuid", "name", "description", "kind", "args_schema", "function_code", "http", "mcp", "tags",
    "require_approval", "approval", "execution_timeout", "version", "status", "created_at", "updated_at",
}  # fmt: skip


def tools(agent: JsonObject) -> str:
    return f"{AGENT}{agent['id']}/tools"


async def register(caller: Caller, agent: JsonObject, **values) -> JsonObject:
    made = await caller.http.post(tools(agent), json=values)
    assert made.status_code == 201, made.text
    return made.json()


async def names(caller: Caller, agent: JsonObject, **query) -> list[str]:
    reply = await caller.http.get(tools(agent), params=query)
    assert reply.status_code == 200, reply.text
    return [each["name"] for each in reply.json()["tools"]]


def refused(reply, status: int, code: str) -> JsonObject:
    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), reply.text
    assert set(body) >= {"detail", "code", "request_id"}
    return body


async def test_a_tool_is_made_read_and_listed(caller: Caller) -> None:
    agent = await make(caller, tools=["calculate"])
    made = await register(caller, agent, **SQUARE)
    assert set(made) == SHAPE
    assert {key: made[key] for key in SQUARE} == SQUARE
    assert (made["id"], made["version"], made["status"]) == ("square", 1, "active")
    assert made["approval"] == {"enabled": False, "timeout_seconds": 300, "approvers": []}
    assert (await caller.http.get(f"{tools(agent)}/square")).json() == made
    listed = (await caller.http.get(tools(agent))).json()
    assert [each["name"] for each in listed["tools"]] == ["calculate", "square"]
    assert {key: listed[key] for key in ("total", "page", "page_size")} == {"total": 2, "page": 1, "page_size": 20}
    builtin = listed["tools"][0]
    assert (builtin["kind"], builtin["version"], builtin["created_at"]) == ("builtin", 1, None)
    assert "expression" in builtin["args_schema"]["properties"]
    assert (await caller.http.get(f"{AGENT}{agent['id']}")).json()["tools"] == ["calculate", "square"]


async def test_lists_are_filtered_and_paged(caller: Caller) -> None:
    agent = await make(caller, tools=["calculate", "echo"])
    await register(caller, agent, **SQUARE)
    await register(caller, agent, **ORDER)
    assert await names(caller, agent, kind="builtin") == ["calculate", "echo"]
    assert await names(caller, agent, kind="http") == ["find_order"]
    assert await names(caller, agent, tag="numbers") == ["square"]
    assert await names(caller, agent, tag="numbers", kind="http") == []
    assert await names(caller, agent, status="draft") == []
    assert await names(caller, agent, page=2, page_size=3) == ["find_order"]
    for wrong in ({"kind": "magic"}, {"page": 0}, {"page_size": 101}, {"status": "gone"}):
        assert (await caller.http.get(tools(agent), params=wrong)).status_code == 422


async def test_a_tool_of_the_installation_is_given(caller: Caller) -> None:
    agent = await make(caller)
    given = await register(caller, agent, name="calculate", kind="builtin")
    assert (given["kind"], given["name"]) == ("builtin", "calculate")
    refused(await caller.http.post(tools(agent), json={"name": "calculate", "kind": "builtin"}), 409, "tool_assigned")
    unknown = await caller.http.post(tools(agent), json={"name": "teleport", "kind": "builtin"})
    assert refused(unknown, 422, "invalid_input")["detail"][0]["loc"] == ["body", "name"]
    refused(await caller.http.patch(f"{tools(agent)}/calculate", json={"description": "x"}), 409, "builtin_tool")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"args_schema": {"type": "nothing"}}, ["args_schema"]),
        ({"args_schema": {"type": "string"}}, ["args_schema", "type"]),
        ({"args_schema": {"type": "object", "properties": {"a b": {}}}}, ["args_schema", "properties"]),
        ({"args_schema": 5}, ["args_schema"]),
        ({"args_schema": None}, ["args_schema"]),
        ({"function_code": "def run(n:\n"}, ["function_code"]),
        ({"function_code": "x = 1"}, ["function_code"]),
        ({"function_code": "def run(m): return m"}, ["function_code"]),
        ({"function_code": "def run(n, m): return m"}, ["function_code"]),
        ({"function_code": "def run(n, /): return n"}, ["function_code"]),
        ({"function_code": None}, ["function_code"]),
        ({"function_code": "#" * 65537}, ["function_code"]),
        ({"name": "Square"}, ["name"]),
        ({"name": "a" * 65}, ["name"]),
        ({"kind": "magic"}, ["kind"]),
        ({"execution_timeout": 0}, ["execution_timeout"]),
        ({"execution_timeout": 601}, ["execution_timeout"]),
        ({"http": {"url": "https://x.example"}}, ["http"]),
        ({"kind": "http"}, ["function_code"]),
        ({"tags": [""]}, ["tags", 0]),
        ({"require_approval": "yes"}, ["require_approval"]),
    ],
)
async def test_what_is_no_tool_is_refused_where_it_is_wrong(caller: Caller, change: dict, place: list) -> None:
    agent = await make(caller)
    reply = await caller.http.post(tools(agent), json={**SQUARE, **change})
    assert reply.status_code == 422, reply.text
    assert reply.json()["detail"][0]["loc"] == ["body", *place]
    assert await names(caller, agent) == []


@pytest.mark.parametrize(
    ("http", "place"),
    [
        ({"url": "ftp://shop.example/x"}, ["http", "url"]),
        ({"url": "https://{id}.example/x"}, ["http", "url"]),
        ({"url": "https://shop.example/{other}"}, ["http", "url"]),
        ({"url": "https://shop.example/", "method": "TRACE"}, ["http", "method"]),
        ({"url": "https://shop.example/", "headers": {"a b": "c"}}, ["http", "headers"]),
        ({"url": "https://shop.example/", "auth_ref": "nothing"}, ["http", "auth_ref"]),
    ],
)
async def test_requests_that_cannot_be_are_refused(caller: Caller, http: dict, place: list) -> None:
    reply = await caller.http.post(tools(await make(caller)), json={**ORDER, "http": http})
    assert reply.status_code == 422, reply.text
    assert reply.json()["detail"][0]["loc"][: len(place) + 1] == ["body", *place]


async def test_a_name_is_had_once(caller: Caller) -> None:
    agent, other = await make(caller), await make(caller)
    await register(caller, agent, **SQUARE)
    for mine in (agent, other):
        refused(await caller.http.post(tools(mine), json=SQUARE), 409, "tool_exists")
    clash = await caller.http.post(tools(agent), json={**SQUARE, "name": "calculate"})
    assert "of its own" in refused(clash, 409, "tool_exists")["detail"]
    given = await caller.http.patch(f"{AGENT}{other['id']}/config", json={"tools": ["square"]})
    assert given.status_code == 200, given.text
    assert await names(caller, other) == ["square"]


async def test_of_two_that_make_one_name_at_once_one_does(caller: Caller) -> None:
    agents = [await make(caller) for _ in range(4)]
    replies = await asyncio.gather(*(caller.http.post(tools(each), json=SQUARE) for each in agents))
    assert sorted(each.status_code for each in replies) == [201, 409, 409, 409], [each.text for each in replies]


async def test_a_change_makes_a_version_for_all_who_have_it(caller: Caller) -> None:
    agent, other = await make(caller), await make(caller)
    await register(caller, agent, **SQUARE)
    await caller.http.patch(f"{AGENT}{other['id']}/config", json={"tools": ["square"]})
    same = await caller.http.patch(f"{tools(agent)}/square", json={"description": "Square a number."})
    assert (same.status_code, same.json()["version"]) == (200, 1)
    schema = {"type": "object", "properties": {"m": {"type": "integer"}}, "required": ["m"]}
    change = {"args_schema": schema, "function_code": "def run(m):\n    return m ** 2", "tags": None}
    changed = await caller.http.patch(f"{tools(agent)}/square", json=change)
    assert changed.status_code == 200, changed.text
    now = changed.json()
    assert (now["args_schema"], now["tags"], now["version"]) == (schema, [], 2)
    assert (await caller.http.get(f"{tools(other)}/square")).json() == now
    for wrong, place in (({"args_schema": SQUARE_SCHEMA}, "function_code"), ({"kind": "http"}, "function_code")):
        reply = await caller.http.patch(f"{tools(agent)}/square", json=wrong)
        assert refused(reply, 422, "invalid_tool")["detail"][0]["loc"] == ["body", place]
    became = await caller.http.patch(
        f"{tools(agent)}/square", json={"kind": "http", "function_code": None, "http": {"url": "https://x.example/{m}"}}
    )
    assert (became.status_code, became.json()["kind"], became.json()["version"]) == (200, "http", 3)


async def test_a_tool_that_requires_approval_requires_it_of_every_agent(caller: Caller) -> None:
    agent, other = await make(caller), await make(caller)
    made = await register(caller, agent, **{**SQUARE, "require_approval": True})
    assert made["require_approval"] is True
    await caller.http.patch(f"{AGENT}{other['id']}/config", json={"tools": ["square", "echo"]})

    async def asked(which: JsonObject) -> list[str]:
        graph = (await caller.http.get(f"/api/v1/workflow/fetch/{which['workflow']['id']}")).json()
        (data,) = [node["data"] for node in graph["workflow_definition"]["nodes"] if node["type"] == "agent"]
        return data.get("require_approval", [])

    assert (await asked(agent), await asked(other)) == (["square"], ["square"])
    off = await caller.http.put(f"{tools(agent)}/square/approval", json={"enabled": False})
    refused(off, 409, "approval_required")
    freed = await caller.http.patch(f"{tools(agent)}/square", json={"require_approval": False})
    assert (freed.status_code, freed.json()["require_approval"]) == (200, False)
    assert (await asked(agent), await asked(other)) == ([], [])
    again = await caller.http.patch(f"{tools(other)}/square", json={"require_approval": True})
    assert again.status_code == 200
    assert (await asked(agent), await asked(other)) == (["square"], ["square"])


async def test_approval_is_configured_by_tool(caller: Caller) -> None:
    agent = await make(caller, tools=["calculate", "echo"])
    path = f"{tools(agent)}/calculate/approval"
    put = await caller.http.put(path, json={"enabled": True, "timeout_seconds": 60, "approvers": ["ann"]})
    assert put.status_code == 200, put.text
    assert put.json() == {"tool": "calculate", "enabled": True, "timeout_seconds": 60, "approvers": ["ann"]}
    shown = (await caller.http.get(f"{tools(agent)}/calculate")).json()
    assert shown["require_approval"] is True
    assert shown["approval"] == {"enabled": True, "timeout_seconds": 60, "approvers": ["ann"]}
    graph = (await caller.http.get(f"/api/v1/workflow/fetch/{agent['workflow']['id']}")).json()
    (data,) = [node["data"] for node in graph["workflow_definition"]["nodes"] if node["type"] == "agent"]
    assert data["require_approval"] == ["calculate"]
    assert (data["approval_timeouts"], data["approvers"]) == ({"calculate": 60}, {"calculate": ["ann"]})
    off = await caller.http.put(path, json={"enabled": False})
    assert off.json() == {"tool": "calculate", "enabled": False, "timeout_seconds": 300, "approvers": []}
    for wrong in ({}, {"enabled": 1}, {"enabled": True, "timeout_seconds": 9}, {"enabled": True, "approvers": [1]}):
        assert (await caller.http.put(path, json=wrong)).status_code == 422
    assert (await caller.http.put(path, json={"enabled": True, "timeout_seconds": 2_592_001})).status_code == 422
    refused(await caller.http.put(f"{tools(agent)}/square/approval", json={"enabled": True}), 404, "tool_not_found")


async def test_a_removed_tool_is_out_of_use_when_nobody_has_it(caller: Caller) -> None:
    agent, other = await make(caller, tools=["echo"]), await make(caller)
    await register(caller, agent, **SQUARE)
    await caller.http.put(f"{tools(agent)}/square/approval", json={"enabled": True})
    await caller.http.patch(f"{AGENT}{other['id']}/config", json={"tools": ["square"]})
    assert (await caller.http.delete(f"{tools(agent)}/square")).status_code == 204
    refused(await caller.http.get(f"{tools(agent)}/square"), 404, "tool_not_found")
    assert (await caller.http.get(f"{AGENT}{agent['id']}/config")).json()["approvals"] == {}
    assert await names(caller, other) == ["square"]
    assert (await caller.http.delete(f"{tools(other)}/square")).status_code == 204
    refused(await caller.http.delete(f"{tools(other)}/square"), 404, "tool_not_found")
    gone = await caller.http.patch(f"{AGENT}{agent['id']}/config", json={"tools": ["square"]})
    assert refused(gone, 422, "invalid_input")["detail"][0]["loc"] == ["body", "tools", 0]
    assert (await register(caller, agent, **SQUARE))["version"] == 1
    assert (await caller.http.delete(f"{tools(agent)}/echo")).status_code == 204
    assert await names(caller, agent) == ["square"]


async def test_sub_agents_are_given_the_tools_of_the_agent_above(caller: Caller) -> None:
    agent = await make(caller)
    below = await make_below(caller, agent["id"])
    made = await register(caller, agent, **SQUARE)
    path = f"{AGENT}{agent['id']}/subagents/{below['id']}"
    available = (await caller.http.get(f"{path}/available-tools")).json()
    assert available == {"tools": [made], "total": 1}
    given = await caller.http.post(f"{path}/tools", json={"tool": "square"})
    assert (given.status_code, given.json()) == (201, made)


async def test_graphs_call_them_by_name(caller: Caller) -> None:
    agent = await make(caller)
    await register(caller, agent, **SQUARE)
    await register(caller, agent, **{**SQUARE, "name": "guarded", "require_approval": True})

    def graph(**data) -> JsonObject:
        nodes = [
            {"id": "start", "type": "start", "position": {"x": 0, "y": 0}, "data": {"name": "s"}},
            {"id": "t", "type": "tool", "position": {"x": 0, "y": 0}, "data": {"name": "t", **data}},
            {"id": "end", "type": "end", "position": {"x": 0, "y": 0}, "data": {"name": "e"}},
        ]
        edges = [
            {"id": f"{a}-{b}", "source": a, "target": b, "data": {"label": b}}
            for a, b in (("start", "t"), ("t", "end"))
        ]
        return {"nodes": nodes, "edges": edges}

    async def errors(**data) -> list[str]:
        body = {"name": "graph", "definition": graph(arguments={"n": 3}, **data)}
        made = await caller.http.post("/api/v1/workflow/create/definition", json=body)
        assert made.status_code == 200, made.text
        return [each["message"] for each in made.json()["errors"]]

    assert await errors(tool="square") == []
    assert "Unknown tool" in (await errors(tool="cube"))[0]
    assert "has to approve" in (await errors(tool="guarded"))[0]
    assert await errors(tool="guarded", require_approval=True) == []
    assert "nobody is asked" in (await errors(tool="square", compensate={"tool": "guarded"}))[0]


async def test_a_foreign_tool_is_none(caller: Caller, callers: Callers) -> None:
    agent, other = await make(caller), await callers.new()
    await register(caller, agent, **SQUARE)
    theirs = await make(other)
    path, body = tools(agent), {"arguments": {"n": 3}}
    for reply in (
        await other.http.get(path),
        await other.http.get(f"{path}/square"),
        await other.http.post(path, json=SQUARE),
        await other.http.patch(f"{path}/square", json={"description": "x"}),
        await other.http.delete(f"{path}/square"),
        await other.http.put(f"{path}/square/approval", json={"enabled": True}),
        await other.http.post(f"{path}/square/run", json=body),
        await other.http.post(f"{path}/generate", json={"description": "x"}),
        await other.http.post(f"{path}/dry-run", json={**SQUARE, **body}),
        await other.http.post(f"{path}/persist", json=SQUARE),
    ):
        refused(reply, 404, "agent_not_found")
    refused(await other.http.get(f"{tools(theirs)}/square"), 404, "tool_not_found")
    named = await other.http.post(AGENTS, json={"name": "Thief", "tools": ["square"]})
    assert refused(named, 422, "invalid_input")["detail"][0]["loc"] == ["body", "tools", 0]
    refused(await other.http.get("/api/v1/approvals/tools/square/stats"), 404, "tool_not_found")
    assert (await caller.http.get("/api/v1/approvals/tools/square/stats")).json()["total"] == 0
    assert (await register(other, theirs, **{**SQUARE, "description": "Mine."}))["description"] == "Mine."
    test_key = await callers.new(caller.tenant, live=False)
    refused(await test_key.http.get(path), 404, "agent_not_found")


async def test_scopes_are_asked_for(caller: Caller, callers: Callers) -> None:
    agent = await make(caller)
    await register(caller, agent, **SQUARE)
    reader = await callers.new(caller.tenant, scopes=["agents:read"])
    assert await names(reader, agent) == ["square"]
    path = tools(agent)
    for reply in (
        await reader.http.post(path, json=SQUARE),
        await reader.http.patch(f"{path}/square", json={}),
        await reader.http.delete(f"{path}/square"),
        await reader.http.put(f"{path}/square/approval", json={"enabled": True}),
        await reader.http.post(f"{path}/square/run", json={"arguments": {"n": 3}}),
        await reader.http.post(f"{path}/generate", json={"description": "x"}),
        await reader.http.post(f"{path}/dry-run", json=SQUARE),
        await reader.http.post(f"{path}/persist", json=SQUARE),
    ):
        assert reply.status_code == 403, reply.text


async def test_the_same_request_makes_one_tool(caller: Caller) -> None:
    agent = await make(caller)
    headers = {"Idempotency-Key": f"make-{agent['id']}"}
    first = await caller.http.post(tools(agent), json=SQUARE, headers=headers)
    again = await caller.http.post(tools(agent), json=SQUARE, headers=headers)
    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert again.json() == first.json()


async def test_nodes_of_calls_see_it_unless_it_needs_approval(caller: Caller) -> None:
    agent = await make(caller)
    made = await register(caller, agent, **SQUARE)
    listed = (await caller.http.get("/api/v1/tools/")).json()
    (shown,) = [each for each in listed if each["name"] == "square"]
    assert (shown["tool_uuid"], shown["category"], shown["status"]) == (made["uuid"], "python", "active")
    assert (await caller.http.delete(f"/api/v1/tools/{made['uuid']}")).status_code == 200
    missing = (await caller.http.get(f"{tools(agent)}/square")).json()
    assert (missing["status"], missing["kind"], missing["args_schema"]) == ("missing", None, None)
