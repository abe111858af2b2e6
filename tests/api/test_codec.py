"""The codec server: what Temporal's own tools show to operators, and to nobody else."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
from google.protobuf import json_format
from graphs import node, sequence
from installation import Cairn
from served import Callers, served
from temporalio.api.common.v1 import Payloads

from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings
from cairn.temporal.connection import connect

KEY = "k1:" + base64.b64encode(b"\1" * 32).decode()
SMALL, LARGE = "the-patients-name", "the-patients-name" * 8_000
GRAPH = sequence(
    node("small", "tool", tool="echo", arguments={"value": "input.small"}),
    node("end", "end", output={"small": "outputs.small", "large": "input.large"}),
)


@dataclass
class Encrypted:
    """An encrypted installation with an execution that has ended."""

    cairn: Cairn
    callers: Callers
    started: dict

    async def operator(self, *scopes: str, header: str = "X-API-Key") -> httpx2.AsyncClient:
        key = await self.callers.key("ops", scopes=scopes)
        return self.callers.client({header: f"Bearer {key}" if header == "Authorization" else key})


@pytest.fixture
def settings(tmp_path, sqlite_url: str, temporal_port: int, task_queue: str) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=sqlite_url,
        temporal_port=temporal_port,
        task_queue=task_queue,
        tool_modules=["system_tools"],
        payload_keys=KEY,
        temporal_ui_url="https://temporal.example/ui",
    )


@pytest.fixture
async def encrypted(settings: Settings, world) -> AsyncIterator[Encrypted]:
    database = Database(create_engine(settings.database))
    cairn = Cairn(settings, database, await connect(settings, lazy=False))
    async with cairn.worker(), served(settings) as url:
        execution = await cairn.run(GRAPH, {"small": SMALL, "large": LARGE})
        await cairn.reach(execution.id, "completed")
        # As the Web UI reads it: from the server's own JSON.
        events = json.loads((await cairn.history(execution.id)).to_json())["events"]
        callers = Callers(url, database, settings)
        yield Encrypted(cairn, callers, {event["eventType"]: event for event in events})
        await callers.close()
    await database.dispose()


def payloads(encrypted: Encrypted, kind: str, attributes: str, field: str) -> dict:
    return encrypted.started[f"EVENT_TYPE_{kind}"][attributes][field]


def start_of(encrypted: Encrypted) -> dict:
    return payloads(encrypted, "WORKFLOW_EXECUTION_STARTED", "workflowExecutionStartedEventAttributes", "input")


def result_of(encrypted: Encrypted) -> dict:
    return payloads(encrypted, "ACTIVITY_TASK_COMPLETED", "activityTaskCompletedEventAttributes", "result")


def text_of(reply: httpx2.Response) -> str:
    assert reply.status_code == 200, reply.text
    (payload,) = json_format.ParseDict(reply.json(), Payloads()).payloads
    assert payload.metadata["encoding"] == b"json/plain"
    return payload.data.decode()


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
async def test_an_operator_sees_what_the_server_returns(encrypted: Encrypted, header: str) -> None:
    operator = await encrypted.operator("codec:decode", header=header)
    assert SMALL not in json.dumps(encrypted.started)
    reply = await operator.post("/codec/decode", json=result_of(encrypted), headers={"X-Namespace": "default"})
    assert json.loads(text_of(reply))["value"] == SMALL
    reference = start_of(encrypted)
    assert "externalPayloads" in reference["payloads"][0]
    assert json.loads(text_of(await operator.post("/codec/decode", json=reference)))["input"]["large"] == LARGE


async def test_references_are_kept_on_request_and_downloaded_later(encrypted: Encrypted) -> None:
    operator = await encrypted.operator("codec:decode")
    reference = start_of(encrypted)
    kept = await operator.post("/codec/decode?preserveStorageRefs=true", json=reference)
    assert kept.json() == reference
    assert json.loads(text_of(await operator.post("/codec/download", json=kept.json())))["input"]["large"] == LARGE
    refused = await operator.post("/codec/download", json=result_of(encrypted))
    assert (refused.status_code, refused.json()["code"]) == (404, "not_stored")


async def test_what_is_encoded_is_what_workers_write(encrypted: Encrypted) -> None:
    operator = await encrypted.operator("codec:decode", "codec:encode")
    plain = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "IngiCg=="}]}
    encoded = (await operator.post("/codec/encode", json=plain)).json()
    (payload,) = json_format.ParseDict(encoded, Payloads()).payloads
    assert payload.metadata["encoding"] == b"binary/encrypted"
    assert (await operator.post("/codec/decode", json=encoded)).json() == plain
    assert (await operator.post("/codec/decode", json=plain)).json() == plain
    assert (await operator.post("/codec/decode", json={})).json() == {}


async def test_what_cannot_be_decoded_comes_back_and_the_rest_is_seen(encrypted: Encrypted) -> None:
    operator = await encrypted.operator("codec:decode")
    (good,) = result_of(encrypted)["payloads"]
    other_key = {**good, "metadata": {**good["metadata"], "encryption-key-id": base64.b64encode(b"k9").decode()}}
    (missing,) = json.loads(json.dumps(start_of(encrypted)))["payloads"]
    claim = json.loads(base64.b64decode(missing["data"]))
    claim["claimData"] = {"sha256": "0" * 64, "path": f"../secret/{'0' * 64}"}
    missing["data"] = base64.b64encode(json.dumps(claim).encode()).decode()
    reply = await operator.post("/codec/decode", json={"payloads": [other_key, good, missing]})
    assert reply.status_code == 200
    first, second, third = reply.json()["payloads"]
    assert (first, third) == (other_key, missing)
    assert SMALL in base64.b64decode(second["data"]).decode()
    refused = await operator.post("/codec/download", json={"payloads": [missing]})
    assert (refused.status_code, refused.json()["code"]) == (404, "blob_missing")


@pytest.mark.parametrize("path", ["decode", "download", "encode"])
async def test_only_keys_that_name_the_scope_may(encrypted: Encrypted, path: str) -> None:
    body = result_of(encrypted)
    nobody = await encrypted.callers.client().post(f"/codec/{path}", json=body)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthenticated")
    wrong = await encrypted.callers.client({"X-API-Key": "omium_" + "x" * 44}).post(f"/codec/{path}", json=body)
    assert wrong.status_code == 401
    for scope in ("*", "executions:read", "codec:encode" if path != "encode" else "codec:decode"):
        refused = await (await encrypted.operator(scope)).post(f"/codec/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), refused.text


@pytest.mark.parametrize("body", ["{", "[]", '{"payloads": 1}', '{"payloads": [{"data": "A"}]}'])
async def test_a_wrong_body_is_the_callers_fault(encrypted: Encrypted, body: str) -> None:
    operator = await encrypted.operator("codec:decode")
    reply = await operator.post("/codec/decode", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422)
    assert set(reply.json()) == {"code", "message", "request_id"}


async def test_pages_of_the_web_ui_may_call_it_and_others_not(encrypted: Encrypted) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    client = encrypted.callers.client()
    ours = await client.options("/codec/decode", headers={"Origin": "https://temporal.example", **asked})
    assert ours.status_code == 200
    assert ours.headers["Access-Control-Allow-Origin"] == "https://temporal.example"
    assert ours.headers["Access-Control-Allow-Credentials"] == "true"
    theirs = await client.options("/codec/decode", headers={"Origin": "https://evil.example", **asked})
    assert "Access-Control-Allow-Origin" not in theirs.headers
    refused = await client.post("/codec/decode", json={}, headers={"Origin": "https://temporal.example"})
    assert refused.status_code == 401 and "Access-Control-Allow-Origin" in refused.headers


async def test_a_browser_signs_in_and_out(encrypted: Encrypted) -> None:
    browser = encrypted.callers.client()
    assert "codec:decode" in (await browser.get("/codec")).text
    key = await encrypted.callers.key("ops", scopes=["codec:decode"])
    weak = await encrypted.callers.key("ops")
    assert (await browser.post("/codec/session", json={"key": weak})).status_code == 403
    assert (await browser.post("/codec/session", json={"key": "nonsense"})).status_code == 401
    signed_in = await browser.post("/codec/session", json={"key": key})
    assert signed_in.status_code == 204
    cookie = signed_in.headers["Set-Cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/codec" in cookie
    assert (await browser.post("/codec/decode", json=result_of(encrypted))).status_code == 200
    assert (await browser.get("/api/v1/executions")).status_code == 401
    assert (await browser.delete("/codec/session")).status_code == 204
    assert (await browser.post("/codec/decode", json=result_of(encrypted))).status_code == 401
