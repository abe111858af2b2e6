"""Runs of agents' tools: by themselves and by agents, approved by people, dry, and tools that a model writes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from agentflow_agents import AGENT, execution, make
from chatting import begun
from graphs import node, sequence
from installation import until
from pydantic import SecretStr
from served import Caller
from servers import mcp_server
from servers.listen import serve
from servers.mcp_server import TOKEN, serve_mcp
from servers.openai_server import KEY, OpenAIServer, answer, text, tool_calls
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from cairn.contracts.json import JsonObject
from cairn.settings import Settings

SCHEMA = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
SQUARE = {"name": "square", "args_schema": SCHEMA, "function_code": "def run(n):\n    return n * n"}


def tools(agent: JsonObject) -> str:
    return f"{AGENT}{agent['id']}/tools"


async def having(caller: Caller, **tool) -> JsonObject:
    """Return an agent with a tool."""
    agent = await make(caller)
    made = await caller.http.post(tools(agent), json=tool)
    assert made.status_code == 201, made.text
    return agent


async def run(caller: Caller, agent: JsonObject, tool: str, **arguments) -> JsonObject:
    reply = await caller.http.post(f"{tools(agent)}/{tool}/run", json={"arguments": arguments})
    assert reply.status_code == 200, reply.text
    assert set(reply.json()) == {"execution_id", "status", "result", "error", "approval_id", "duration_ms"}
    return reply.json()


@pytest.fixture(scope="module")
async def shop() -> AsyncGenerator[str]:
    async def show(request: Request) -> JSONResponse:
        body = await request.body()
        told = {"path": request.url.path, "query": dict(request.query_params), "method": request.method}
        headers = {name: request.headers.get(name) for name in ("x-shop", "authorization")}
        return JSONResponse({**told, **headers, "raw": request.scope["raw_path"].decode(), "body": body.decode()})

    async with serve(Starlette(routes=[Route("/{rest:path}", show, methods=["GET", "POST", "DELETE"])])) as url:
        yield url


async def test_a_run_is_an_execution_of_its_own(caller: Caller) -> None:
    agent = await having(caller, **SQUARE)
    done = await run(caller, agent, "square", n=3)
    assert (done["status"], done["result"], done["error"], done["approval_id"]) == ("completed", 9, None, None)
    seen = await caller.get(done["execution_id"])
    assert (seen["workflow_id"], seen["status"], seen["metadata"]) == (agent["id"], "completed", {"tool": "square"})
    assert [each["name"] for each in seen["checkpoints"]] == ["start", "square"]
    replay = {"checkpoint_id": seen["checkpoints"][0]["id"]}
    again = await caller.http.post(f"/api/v1/executions/{done['execution_id']}/replay", json=replay)
    assert again.status_code in (200, 202), again.text
    assert (await caller.reach(done["execution_id"], "completed"))["output_data"] == {"result": 9}


async def test_the_newest_version_is_called(caller: Caller) -> None:
    agent = await having(caller, **SQUARE)
    assert (await run(caller, agent, "square", n=3))["result"] == 9
    await caller.http.patch(f"{tools(agent)}/square", json={"function_code": "def run(n):\n    return -n"})
    assert (await run(caller, agent, "square", n=3))["result"] == -3


async def test_tools_of_the_installation_run_too(caller: Caller) -> None:
    agent = await make(caller, tools=["calculate"])
    assert (await run(caller, agent, "calculate", expression="6 * 7"))["result"] == 42
    failed = await run(caller, agent, "calculate", expression="1 / 0")
    assert (failed["status"], failed["error"]["code"], failed["result"]) == ("failed", "invalid_arguments", None)


async def test_what_fails_is_told(caller: Caller) -> None:
    agent = await having(caller, **{**SQUARE, "function_code": "def run(n):\n    return 1 // n"})
    failed = await run(caller, agent, "square", n=0)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "code_error")
    assert "ZeroDivisionError" in failed["error"]["message"] and "line 2" in failed["error"]["message"]
    endless = {
        **SQUARE,
        "name": "endless",
        "function_code": "def run(n):\n    while True: pass",
        "execution_timeout": 1,
    }
    assert (await caller.http.post(tools(agent), json=endless)).status_code == 201
    assert (await run(caller, agent, "endless", n=0))["error"]["code"] == "timeout"


async def test_arguments_that_break_the_schema_run_nothing(caller: Caller) -> None:
    agent = await having(caller, **SQUARE)
    for arguments, place in (({}, ["arguments"]), ({"n": "3"}, ["arguments", "n"])):
        reply = await caller.http.post(f"{tools(agent)}/square/run", json={"arguments": arguments})
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid_arguments")
        assert reply.json()["detail"][0]["loc"] == ["body", *place]
    missing = await caller.http.post(f"{tools(agent)}/cube/run", json={"arguments": {}})
    assert (missing.status_code, missing.json()["code"]) == (404, "tool_not_found")
    executions = (await caller.http.get("/api/v1/executions")).json()
    assert executions["total"] == 0


async def test_the_same_request_runs_once(caller: Caller) -> None:
    agent = await make(caller, tools=["note"])
    conversation = (await begun(caller, agent["id"]))["id"]
    body = {"arguments": {"entry": f"once-{agent['id']}"}, "conversation_id": conversation}
    headers = {"Idempotency-Key": f"run-{agent['id']}"}
    first, again = [await caller.http.post(f"{tools(agent)}/note/run", json=body, headers=headers) for _ in range(2)]
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"
    seen = await caller.get(first.json()["execution_id"])
    assert seen["metadata"] == {"tool": "note", "conversation_id": conversation}
    assert (await caller.http.get("/api/v1/executions")).json()["total"] == 1


async def test_a_run_for_a_conversation_is_told_with_it(caller: Caller) -> None:
    agent = await having(caller, **SQUARE, require_approval=True)
    conversation = (await begun(caller, agent["id"]))["id"]
    body = {"arguments": {"n": 3}, "conversation_id": conversation}
    asked = (await caller.http.post(f"{tools(agent)}/square/run", json=body)).json()
    approval = (await caller.http.get(f"/api/v1/approvals/{asked['approval_id']}")).json()
    assert approval["conversation_id"] == conversation
    found = await caller.http.get("/api/v1/cancel/active-calls", params={"conversation_id": conversation})
    (call,) = found.json()["calls"]
    assert (call["kind"], call["conversation_id"], call["message_id"]) == ("tool", conversation, None)
    await caller.http.delete(f"/api/v1/approvals/{asked['approval_id']}")
    unknown = await caller.http.post(f"{tools(agent)}/square/run", json={**body, "conversation_id": "conv_of_nobody"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "conversation_not_found")
    assert (await caller.http.get("/api/v1/executions")).json()["total"] == 1


async def test_a_person_approves_a_run_with_other_arguments(caller: Caller) -> None:
    agent = await having(caller, **SQUARE, require_approval=True)
    asked = await run(caller, agent, "square", n=3)
    assert (asked["status"], asked["result"]) == ("pending_approval", None)
    path = f"/api/v1/approvals/{asked['approval_id']}"
    approval = (await caller.http.get(path)).json()
    assert (approval["tool_id"], approval["agent_id"]) == ("square", agent["id"])
    assert approval["arguments"] == {"n": 3}
    wrong = {"decision": "approved", "modified_arguments": {"n": "four"}}
    assert (await caller.http.post(f"{path}/respond", json=wrong)).status_code == 422
    right = {"decision": "approved", "modified_arguments": {"n": 4}}
    assert (await caller.http.post(f"{path}/respond", json=right)).status_code == 200
    assert (await caller.reach(asked["execution_id"], "completed"))["output_data"] == {"result": 16}
    stats = (await caller.http.get("/api/v1/approvals/tools/square/stats")).json()
    assert (stats["total"], stats["approved"], stats["modified"]) == (1, 1, 1)


async def test_a_denied_run_fails(caller: Caller) -> None:
    agent = await make(caller, tools=["calculate"])
    await caller.http.put(f"{tools(agent)}/calculate/approval", json={"enabled": True, "approvers": ["nobody"]})
    asked = await run(caller, agent, "calculate", expression="1")
    path = f"/api/v1/approvals/{asked['approval_id']}/respond"
    refused = await caller.http.post(path, json={"decision": "denied"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_an_assignee")
    await caller.http.put(f"{tools(agent)}/calculate/approval", json={"enabled": True})
    asked = await run(caller, agent, "calculate", expression="1")
    path = f"/api/v1/approvals/{asked['approval_id']}/respond"
    assert (await caller.http.post(path, json={"decision": "denied", "reason": "no"})).status_code == 200
    failed = await caller.reach(asked["execution_id"], "failed")
    assert failed["error"]["code"] == "denied" and "no" in failed["error"]["message"]


async def test_a_graph_that_asks_nobody_cannot_call_what_requires_approval(caller: Caller) -> None:
    agent = await having(caller, **SQUARE)
    graph = await caller.publish(sequence(node("t", "tool", tool="square", arguments={"n": 3}, output="squared")))
    start = {"workflow_id": graph["uuid"], "input_data": {}}
    first = (await caller.http.post("/api/v1/executions", json=start)).json()
    await caller.reach(first["id"], "completed")
    await caller.http.patch(f"{tools(agent)}/square", json={"require_approval": True})
    second = (await caller.http.post("/api/v1/executions", json=start)).json()
    assert (await caller.reach(second["id"], "failed"))["error"]["code"] == "approval_required"


async def test_an_http_tool_sends_its_request(caller: Caller, shop: str) -> None:
    token = {"name": "T", "credential_type": "bearer_token", "credential_data": {"token": "hush"}}
    credential = (await caller.http.post("/api/v1/credentials/", json=token)).json()["uuid"]
    schema = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "full": {"type": "boolean"}},
        "required": ["id"],
    }
    http = {"method": "GET", "url": f"{shop}/orders/{{id}}?x=1", "headers": {"X-Shop": "s"}, "auth_ref": credential}
    agent = await having(caller, name="find", kind="http", args_schema=schema, http=http)
    done = await run(caller, agent, "find", id="a/b?c", full=True)
    assert done["status"] == "completed", done
    assert done["result"]["status"] == 200
    seen = done["result"]["body"]
    assert (seen["raw"], seen["query"]) == ("/orders/a%2Fb%3Fc", {"x": "1", "full": "true"})
    assert (seen["x-shop"], seen["authorization"]) == ("s", "…"), (
        "it was sent, and what the server repeats of it is hidden"
    )
    dots = await run(caller, agent, "find", id="..")
    assert dots["error"]["code"] == "invalid_arguments"
    await caller.http.patch(f"{tools(agent)}/find", json={"http": {"method": "POST"}})
    seen = (await run(caller, agent, "find", id="7", full=False))["result"]["body"]
    assert (seen["method"], seen["path"], json.loads(seen["body"])) == ("POST", "/orders/7", {"full": False})


async def test_a_dry_run_tells_what_came_of_it(caller: Caller) -> None:
    agent = await make(caller)

    async def dry(code: str, status: int = 200, **more) -> JsonObject:
        body = {"function_code": code, "args_schema": SCHEMA, "arguments": {"n": 3}, **more}
        reply = await caller.http.post(f"{tools(agent)}/dry-run", json=body)
        assert reply.status_code == status, reply.text
        return reply.json()

    good = await dry("def run(n):\n    print('grüß', n)\n    return {'square': n * n}")
    assert (good["ok"], good["result"], good["error"], good["stdout"]) == (True, {"square": 9}, None, "grüß 3\n")
    assert good["duration_ms"] > 0 and (good["memory_bytes"] is None or good["memory_bytes"] > 0)
    raised = await dry("def run(n):\n    print('so far')\n    raise ValueError('not that')")
    assert (raised["ok"], raised["stdout"]) == (False, "so far\n")
    assert raised["error"] == {"type": "ValueError", "message": "not that", "line": 3}
    broken = await dry("def run(n):\n    return (\n")
    assert (broken["ok"], broken["error"]["type"], broken["error"]["line"]) == (False, "SyntaxError", 2)
    assert (await dry("def run(n): return n", arguments={}))["error"]["type"] == "InvalidArguments"
    assert (await dry("def run(n):\n    while True: pass", execution_timeout=1))["error"]["type"] == "timeout"
    much = await dry("def run(n):\n    for _ in range(200): print('x' * 1000)")
    assert much["ok"] and len(much["stdout"]) == 64 * 1024
    wrong = await dry("def run(n): return n", 422, args_schema={"type": "nothing"})
    assert wrong["detail"][0]["loc"] == ["body", "args_schema"]
    nothing = await caller.http.post(f"{tools(agent)}/dry-run", json={"arguments": {}})
    assert (nothing.status_code, nothing.json()["detail"][0]["loc"]) == (422, ["body", "function_code"])
    unknown = await caller.http.post(f"{tools(agent)}/dry-run", json={"draft_id": "draft_0"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "draft_not_found")
    assert (await caller.http.get("/api/v1/executions")).json()["total"] == 0


async def test_code_is_persisted_and_persisted_anew(caller: Caller) -> None:
    agent, other = await make(caller), await make(caller)
    body = {**SQUARE, "description": "Square it."}
    made = await caller.http.post(f"{tools(agent)}/persist", json=body)
    assert (made.status_code, made.json()["version"], made.json()["kind"]) == (201, 1, "python"), made.text
    again = await caller.http.post(
        f"{tools(agent)}/persist", json={**SQUARE, "function_code": "def run(n):\n    return n ** 2"}
    )
    assert (again.status_code, again.json()["version"], again.json()["description"]) == (201, 2, "Square it.")
    clash = await caller.http.post(f"{tools(other)}/persist", json=body)
    assert (clash.status_code, clash.json()["code"]) == (409, "tool_exists")
    builtin = await caller.http.post(f"{tools(agent)}/persist", json={**body, "name": "echo"})
    assert (builtin.status_code, builtin.json()["code"]) == (409, "tool_exists")
    for wrong in ({"function_code": "def run(:"}, {"args_schema": {"type": "nothing"}}, {"name": "No"}):
        assert (await caller.http.post(f"{tools(agent)}/persist", json={**body, **wrong})).status_code == 422
    bare = await caller.http.post(f"{tools(agent)}/persist", json={"name": "bare"})
    assert bare.status_code == 422


async def test_without_a_language_model_nothing_is_generated(caller: Caller) -> None:
    reply = await caller.http.post(f"{tools(await make(caller))}/generate", json={"description": "Square a number."})
    assert (reply.status_code, reply.json()["code"]) == (422, "model_limit")


class TestWithAModel:
    """An installation of its own, with a model and MCP servers."""

    @pytest.fixture
    async def mcp(self) -> AsyncGenerator[str]:
        async with serve_mcp() as url:
            yield url

    @pytest.fixture
    def settings(self, settings: Settings, server: OpenAIServer, tmp_path: Path, mcp: str) -> Settings:
        program = {"command": sys.executable, "args": [str(Path(mcp_server.__file__))]}
        remote = {"url": mcp, "headers": {"Authorization": TOKEN}}
        file = tmp_path / "mcp.json"
        file.write_text(json.dumps({"mcpServers": {"program": program, "remote": remote}}))
        own = {"default_model": "openai:test-model", "openai_base_url": server.url, "openai_api_key": SecretStr(KEY)}
        return settings.model_copy(update={**own, "mcp_servers": file})

    async def test_a_model_writes_a_tool_and_repairs_it(self, author: Caller, server: OpenAIServer) -> None:
        agent = await make(author)
        written: dict[str, Any] = {
            "name": "square",
            "description": "Square a number.",
            "args_schema": SCHEMA,
            "function_code": "def run(m):\n    return m * m",
            "tests": [{"arguments": {"n": 3}, "expected": 9}, {"arguments": {"n": "x"}}],
        }
        server.will(answer(written), answer({**written, "function_code": SQUARE["function_code"]}))
        body = {"description": "Square a number.", "examples": [{"n": 2, "result": 4}]}
        reply = await author.http.post(f"{tools(agent)}/generate", json=body, headers={"Idempotency-Key": "g"})
        assert reply.status_code == 201, reply.text
        draft = reply.json()
        assert draft.pop("draft_id").startswith("draft_")
        tests = [{"arguments": {"n": 3}, "expected": 9}]
        assert draft == {**written, "function_code": SQUARE["function_code"], "tests": tests}
        first, second = server.requests
        assert "Square a number." in json.dumps(first["messages"]) and '"result' in first["messages"][-1]["content"]
        assert "run needs the argument 'm'" in second["messages"][-1]["content"]
        draft_id = reply.json()["draft_id"]
        (listed,) = (await author.http.get(tools(agent), params={"status": "draft"})).json()["tools"]
        assert (listed["id"], listed["status"], listed["version"]) == (draft_id, "draft", None)
        assert (await author.http.get(f"{tools(agent)}/{draft_id}")).json() == listed
        dry = await author.http.post(f"{tools(agent)}/dry-run", json={"draft_id": draft_id, **tests[0]})
        assert (dry.json()["ok"], dry.json()["result"]) == (True, 9)
        kept = await author.http.post(f"{tools(agent)}/persist", json={"draft_id": draft_id, "name": "squared"})
        assert (kept.status_code, kept.json()["name"], kept.json()["status"]) == (201, "squared", "active")
        assert (await author.http.get(tools(agent), params={"status": "draft"})).json()["total"] == 0
        assert (await author.http.get(f"{tools(agent)}/{draft_id}")).status_code == 404

        server.will(*[answer({**written, "args_schema": {"type": "nothing"}})] * 3)
        never = await author.http.post(f"{tools(agent)}/generate", json=body)
        assert (never.status_code, never.json()["code"]) == (502, "model_behavior")

    async def test_an_agent_calls_its_tool_once_a_person_has_agreed(self, author: Caller, server: OpenAIServer) -> None:
        agent = await having(author, **SQUARE, require_approval=True, description="Square a number.")
        server.will(tool_calls(("square", {"n": "3"})), tool_calls(("square", {"n": 3})), text("It is 16."))
        started = await execution(author, agent["id"], "What is 3 squared?")

        async def pending() -> list[JsonObject]:
            return (await author.http.get("/api/v1/approvals/pending")).json()["approvals"]

        (approval,) = await until(pending)
        assert (approval["tool_name"], approval["arguments"]) == ("square", {"n": 3})
        said = {"decision": "approved", "modified_arguments": {"n": 4}}
        assert (await author.http.post(f"/api/v1/approvals/{approval['id']}/respond", json=said)).status_code == 200
        done = await author.reach(started["id"], "completed")
        assert done["output_data"] == {"content": "It is 16."}
        (shown,) = server.requests[0]["tools"]
        assert shown["function"]["parameters"]["properties"] == SCHEMA["properties"]
        assert "number" in server.requests[1]["messages"][-1]["content"]  # the schema was broken: the model hears of it
        assert server.requests[2]["messages"][-1]["content"] == "16"
        assert [each["name"] for each in done["checkpoints"]] == ["start", "Agent: square", "Agent"]

    async def test_a_tool_that_was_taken_out_of_use_is_not_offered(self, author: Caller, server: OpenAIServer) -> None:
        agent = await having(author, **SQUARE)
        uuid = (await author.http.get(f"{tools(agent)}/square")).json()["uuid"]
        assert (await author.http.delete(f"/api/v1/tools/{uuid}")).status_code == 200
        server.will(text("I cannot."))
        started = await execution(author, agent["id"], "What is 3 squared?")
        assert (await author.reach(started["id"], "completed"))["output_data"] == {"content": "I cannot."}
        assert not server.requests[0].get("tools")

    @pytest.mark.parametrize("server_name", ["program", "remote"])
    async def test_a_tool_of_an_mcp_server(self, author: Caller, server: OpenAIServer, server_name: str) -> None:
        agent = await having(author, name="plus", kind="mcp", mcp={"server": server_name, "tool": "add"})
        made = (await author.http.get(f"{tools(agent)}/plus")).json()
        assert made["description"] == "Add two numbers."
        assert set(made["args_schema"]["properties"]) == {"a", "b"}
        assert (await run(author, agent, "plus", a=2, b=3))["result"] == {"sum": 5}
        server.will(tool_calls(("plus", {"a": 4, "b": 5})), text("Nine."))
        started = await execution(author, agent["id"], "4 + 5?")
        await author.reach(started["id"], "completed")
        assert json.loads(server.requests[1]["messages"][-1]["content"]) == {"sum": 9}
        for mcp, place in (
            ({"server": "nowhere", "tool": "add"}, "server"),
            ({"server": server_name, "tool": "x"}, "tool"),
        ):
            reply = await author.http.post(tools(agent), json={"name": "other", "kind": "mcp", "mcp": mcp})
            assert reply.status_code == 422, reply.text
            assert reply.json()["detail"][0]["loc"] == ["body", "mcp", place]
        broken = {"name": "fails", "kind": "mcp", "mcp": {"server": server_name, "tool": "broken"}}
        assert (await author.http.post(tools(agent), json=broken)).status_code == 201
        failed = await asyncio.wait_for(run(author, agent, "fails"), 60)
        assert failed["error"]["code"] == "tool_error" and "on fire" in failed["error"]["message"]
