"""What API and worker log of real work at level debug: no key, no token, no secret of a credential."""

from __future__ import annotations

import io

import pytest
from graphs import node, sequence
from installation import Cairn, until
from pydantic import SecretStr
from served import Callers, served
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

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
