"""What API and worker log of real work at level debug: no key, no token, no secret of a credential."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from graphs import node, sequence
from installation import Cairn, until
from pydantic import SecretStr
from served import Caller, Callers, served
from servers.listen import serve, serve_raw
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from temporalio.api.history.v1 import HistoryEvent

from cairn.settings import Settings

PROVIDER, CREDENTIAL = "sk-provider-key-of-ours", "credential-of-a-tenant"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"log_level": "DEBUG", "openai_api_key": SecretStr(PROVIDER), "http_allow_private": True}
    )


async def refuse(request: Request) -> Response:
    """Answer as providers do: with what they were sent, which is kept."""
    request.app.state.sent.append(request.headers.get("authorization"))
    told = f"Incorrect key: {request.headers.get('authorization')}"
    return JSONResponse({"error": {"message": told, "code": "invalid_api_key", "type": "x"}}, 401)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_secret_is_logged(idle_cairn: Cairn, log: io.StringIO, settings: Settings) -> None:
    provider = Starlette(routes=[Route("/{path:path}", refuse, methods=["GET", "POST"])])
    provider.state.sent = []
    async with serve(provider) as elsewhere:
        idle_cairn.settings = settings.model_copy(update={"openai_base_url": f"{elsewhere}/v1"})
        async with served(settings) as url, idle_cairn.worker():
            callers = Callers(url, idle_cairn.database, settings)
            caller = await callers.new()
            wrong = caller.key[:-1] + "x"
            await callers.client().get("/api/v1/executions", headers={"Authorization": f"Bearer {wrong}"})
            body = {"name": "c", "credential_type": "bearer_token", "credential_data": {"token": CREDENTIAL}}
            made = (await caller.http.post("/api/v1/credentials/", json=body)).json()
            asking = node("ask", "agent", prompt="Say it", model="openai:gpt-5.2")
            sending = node("send", "http", url=f"{elsewhere}/x", credential_uuid=made["uuid"])
            for graph in (sequence(asking), sequence(sending)):
                await caller.reach((await caller.start(graph))["id"], "failed")
            token = f"appr_{32 * 'a'}.1.{43 * 'b'}"
            await callers.client().get(f"/api/v1/hooks/requests/{token}")
            await until(lambda: "/api/v1/hooks/requests/" in log.getvalue())
            await callers.close()
    assert set(provider.state.sent) == {f"Bearer {PROVIDER}", f"Bearer {CREDENTIAL}"}
    said = log.getvalue()
    assert '"level": "debug"' in said and "ask" in said
    secrets = {PROVIDER, CREDENTIAL, caller.key, wrong, caller.key[-32:], 43 * "b"}
    assert {secret for secret in secrets if secret in said} == set()


HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "x-own")
OWN = {
    provider: f"{provider}-key-of-a-tenant-{number:04}"
    for number, provider in enumerate(("openai", "anthropic", "google"))
}
CREDENTIALS = {
    "api_key": {"header_name": "X-API-Key", "api_key": "api-key-of-a-tenant-1"},
    "basic_auth": {"username": "user-of-a-tenant", "password": "password-of-a-tenant-1"},
    "custom_header": {"header_name": "X-Own", "header_value": "header-of-a-tenant-1"},
}


async def repeat(request: Request) -> Response:
    """Refuse as ``refuse`` does, with every key as it came and no word before it."""
    given = [request.headers[name].rpartition(" ")[2] for name in HEADERS if name in request.headers]
    request.app.state.sent += given
    return JSONResponse({"error": {"message": f"Incorrect: {given}", "code": 401, "status": "UNAUTHENTICATED"}}, 401)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_key_of_a_tenant_is_logged_or_told(idle_cairn: Cairn, log: io.StringIO, settings: Settings) -> None:
    """Whatever it is for, at level debug of all libraries, and whatever the other side says of it."""
    outside = Starlette(routes=[Route("/{path:path}", repeat, methods=["GET", "POST"])])
    outside.state.sent = []
    async with serve(outside) as elsewhere, served(settings) as url, idle_cairn.worker():
        callers = Callers(url, idle_cairn.database, settings)
        caller = await callers.new()
        nodes, told = [], []
        for kind, data in CREDENTIALS.items():
            body = {"name": kind, "credential_type": kind, "credential_data": data}
            made = await caller.http.post("/api/v1/credentials/", json=body)
            assert made.is_success, made.text
            nodes.append(node(kind, "http", url=f"{elsewhere}/x", credential_uuid=made.json()["uuid"]))
        for provider, key in OWN.items():
            body = {"provider": provider, "api_key": key, "base_url": f"{elsewhere}/v1"}
            tried = await caller.http.post("/api/v1/llm/config/test-key", json=body)
            kept = await caller.http.post("/api/v1/llm/config", json=body)
            assert kept.status_code == 201 and tried.json()["valid"] is False, kept.text
            told += [tried.text, kept.text]
        mode = await caller.http.put("/api/v1/llm/config/mode", json={"mode": "byok"})
        assert mode.is_success, mode.text
        for provider in OWN:
            told += await refusals(caller, f"{provider}:some-model")
        for each in nodes:
            execution = await caller.reach((await caller.start(sequence(each)))["id"], "failed")
            told.append(str(execution))
        await callers.close()
    secrets = {*OWN.values(), *(list(data.values())[1] for data in CREDENTIALS.values())}
    encoded = base64.b64encode(b"user-of-a-tenant:password-of-a-tenant-1").decode()
    assert {*outside.state.sent} == secrets - {"password-of-a-tenant-1"} | {encoded}
    said = log.getvalue() + "".join(told)
    assert '"level": "debug"' in said
    assert {secret for secret in (*secrets, encoded) if secret in said} == set()


async def refusals(caller: Caller, model: str) -> list[str]:
    """Return what is told of a direct call of a model that refuses the key, and of an agent's turn."""
    body = {"model": model, "messages": [{"role": "user", "content": "Say it"}], "stream": False}
    direct = await caller.http.post("/api/v1/llm/chat", json=body)
    agent = (await caller.http.post("/api/v1/agents", json={"name": model, "model": model})).json()
    said = {"message": "Say it", "stream": False}
    turn = await caller.http.post(f"/api/v1/agent/{agent['id']}/chat", json=said)
    assert (direct.status_code, turn.status_code) == (502, 502), (direct.text, turn.text)
    listed = await caller.http.get("/api/v1/executions", params={"workflow_id": agent["id"]})
    return [direct.text, turn.text, listed.text]


PASSWORD, QUERY, HEADER, VARIABLE = (
    "password-of-a-url-1",
    "key-of-a-query-1",
    "header-of-a-server-1",
    "variable-of-a-server-1",
)
ONCE = {"retry": {"max_attempts": 1}}
PROGRAM = "import os, sys; sys.exit(str(os.environ['API_TOKEN']))"


def with_secrets(url: str) -> str:
    return f"{url.replace('://', f'://ann:{PASSWORD}@')}?page=1&client_secret={QUERY}"


async def answer(request: Request) -> Response:
    """Take it at one path, and refuse it at others with all that was sent."""
    if request.url.path == "/taken":
        return JSONResponse({"taken": True})
    return PlainTextResponse(f"wrong: {request.url} {dict(request.headers)}", 401)


def failures(events: Sequence[HistoryEvent]) -> list[str]:
    """Return what history says of work that failed."""
    return [str(each) for each in events if each.HasField("activity_task_failed_event_attributes")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_secret_of_a_url_or_of_an_mcp_server_is_logged_or_told(
    idle_cairn: Cairn, log: io.StringIO, settings: Settings, tmp_path: Path
) -> None:
    """Of requests that are taken, refused, not answered in time, and answered by nobody."""
    methods = ["GET", "POST"]
    answering = Starlette(routes=[Route("/{path:path}", answer, methods=methods)])
    async with serve(answering) as url, serve_raw(b"", hang=True) as silent:
        servers = {
            "one": {"url": with_secrets(f"{url}/mcp"), "headers": {"X-Own": HEADER}},
            "two": {"command": sys.executable, "args": ["-c", PROGRAM], "env": {"API_TOKEN": VARIABLE}},
        }
        (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
        settings = settings.model_copy(update={"mcp_servers": tmp_path / "mcp.json"})
        idle_cairn.settings = settings
        async with served(settings) as api, idle_cairn.worker():
            callers = Callers(api, idle_cairn.database, settings)
            caller = await callers.new()
            told = [await told_of_keys(caller, with_secrets(f"{url}/v1"))]
            asks = [node("ask", "mcp", server=name, tool="x", arguments={}, **ONCE) for name in servers]
            ends = (f"{url}/refused", f"{silent}/", "http://127.0.0.1:9/")
            sends = [node("send", "http", url=with_secrets(end), timeout=0.5, **ONCE) for end in ends]
            for each in (*asks, *sends):
                execution = await caller.reach((await caller.start(sequence(each)))["id"], "failed")
                found = failures((await idle_cairn.history(execution["id"])).events)
                assert found, execution
                told += [str(execution["error"]), *found]
            taken = node("send", "http", url=with_secrets(f"{url}/taken"))
            await caller.reach((await caller.start(sequence(taken)))["id"], "completed")
            told.append(await told_of_a_notification(caller, with_secrets(f"{url}/hook")))
            await callers.close()
    said = log.getvalue()
    assert '"level": "debug"' in said and "127.0.0.1" in said
    secrets = {PASSWORD, QUERY, HEADER, VARIABLE, base64.b64encode(f"ann:{PASSWORD}".encode()).decode()}
    assert {secret for secret in secrets if secret in said} == set()
    assert {secret for secret in secrets if secret in "".join(told)} == set()


async def told_of_keys(caller: Caller, url: str) -> str:
    """Return what is told of a server of models whose address has secrets: only in a key they are kept encrypted."""
    body = {"provider": "openai", "api_key": OWN["openai"], "base_url": url}
    replies = [await caller.http.post(f"/api/v1/llm/config{path}", json=body) for path in ("", "/test-key")]
    assert [each.status_code for each in replies] == [422, 422]
    return "".join(each.text for each in replies)


async def told_of_a_notification(caller: Caller, url: str) -> str:
    """Return what is told of a request to a person whose notification is refused."""
    asked = await caller.start(sequence(node("ask", "approval", prompt="Go on?", notify=url)))

    async def noted() -> str | None:
        pending = await caller.http.get("/api/v1/approvals/pending", params={"execution_id": asked["id"]})
        return pending.text if "401" in pending.text else None

    return await until(noted)
