"""In a call: tools of authors, and the credentials that tools, webhooks and fetches before it send along."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator

import pytest
from installation import until
from phone import PATIENT, say, speaker
from served import Caller
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cairn.contracts.json import JsonObject
from cairn.domain.tools.authored import native_uuid

SECRET = "hush-hush"


class Shop:
    """A server outside, which writes down what it is asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str | None, JsonObject]] = []

    async def answer(self, request: Request) -> Response:
        body = json.loads(await request.body() or b"{}")
        self.asked.append((request.url.path, request.headers.get("authorization"), body))
        return JSONResponse({"customer": "Ada", "status": "The parcel of order 4711 was sent on Monday."})

    def on(self, path: str) -> list[tuple[str | None, JsonObject]]:
        return [(secret, body) for asked, secret, body in self.asked if asked == path]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    app = Starlette(routes=[Route("/{path:path}", made.answer, methods=["GET", "POST"])])
    async with serve(app) as made.url:
        yield made


def graph(shop: Shop, credential: str, tools: list[str], path: str) -> JsonObject:
    fetch = {
        "pre_call_fetch_mode": "always",
        "pre_call_fetch_url": f"{shop.url}/before",
        "pre_call_fetch_credential_uuid": credential,
    }
    return {
        "nodes": [
            speaker("hello", "startCall", greeting="Hello {{ customer }}!", tool_uuids=tools, **fetch),
            speaker("bye", "endCall"),
            {"id": "line", "type": "trigger", "data": {"name": "line", "trigger_path": path}},
            {
                "id": "after",
                "type": "webhook",
                "data": {
                    "name": "after",
                    "endpoint_url": f"{shop.url}/after",
                    "credential_uuid": credential,
                    "payload_template": {"run": "{{ workflow_run_id }}"},
                },
            },
        ],
        "edges": [say("hello", "bye", "goodbye", "The caller says goodbye")],
    }


async def test_secrets_reach_the_servers_and_nothing_else(caller: Caller, shop: Shop) -> None:
    made = {"name": "Shop", "credential_type": "bearer_token", "credential_data": {"token": SECRET}}
    credential = (await caller.http.post("/api/v1/credentials/", json=made)).json()["uuid"]
    config = {
        "method": "POST",
        "url": f"{shop.url}/parcels",
        "credential_uuid": credential,
        "parameters": [{"name": "order", "type": "string", "description": "Number of the order."}],
        "preset_parameters": [
            {"name": "phone", "type": "string", "value_template": "{{initial_context.phone_number}}"},
            {"name": "who", "type": "string", "value_template": "{{customer | it's nobody}}"},
        ],
    }
    body = {
        "name": "Track parcel",
        "description": "Tell where the parcel of an order is.",
        "definition": {"type": "http_api", "config": config},
    }
    tool = (await caller.http.post("/api/v1/tools/", json=body)).json()["tool_uuid"]
    path = uuid.uuid4().hex
    definition = graph(shop, credential, [tool, native_uuid("echo")], path)
    create = {"name": "Parcels", "definition": definition, "configuration": PATIENT}
    saved = (await caller.http.post("/api/v1/workflow/create/definition", json=create)).json()
    assert saved["errors"] == [] and saved["version_status"] == "published", saved

    dialled = await caller.http.post(f"/api/v1/public/agent/{path}", json={"phone_number": "+4930123"})
    run = dialled.json()["workflow_run_id"]
    events = f"/api/v1/executions/{run}/events?wait=true&timeout=60"
    asked = {"name": "utterance", "payload": {"text": "Where is the parcel of my order: 4711"}}
    reply = (await caller.http.post(events, json=asked)).json()["reply"]
    assert "sent on Monday" in reply["text"], reply
    await caller.http.post(events, json={"name": "utterance", "payload": {"text": "goodbye"}})
    await caller.reach(run, "completed")
    await until(lambda: shop.on("/after"))

    bearer = f"Bearer {SECRET}"
    ((before, _),) = shop.on("/before")
    ((tracked, arguments),) = shop.on("/parcels")
    (after, _) = shop.on("/after")[-1]
    assert before == tracked == after == bearer
    # The customer was fetched when the call began.
    assert (arguments["phone"], arguments["who"]) == ("+4930123", "Ada") and "4711" in arguments["order"]
    execution = await caller.get(run)
    assert execution["call"]["transcript"][0]["text"] == "Hello Ada!"
    told = (await caller.http.get(f"/api/v1/executions/{run}/events")).text
    assert SECRET not in json.dumps(execution) and SECRET not in told


async def test_a_tool_that_does_not_exist_keeps_a_graph_a_draft(caller: Caller, shop: Shop) -> None:
    definition = graph(shop, "none", [str(uuid.uuid4())], uuid.uuid4().hex)
    saved = await caller.http.post("/api/v1/workflow/create/definition", json={"name": "n", "definition": definition})
    assert saved.json()["version_status"] == "draft"
    assert any(error["field"] == "data.tool_uuids" for error in saved.json()["errors"])
