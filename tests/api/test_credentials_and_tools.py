"""Credentials and tools over the API."""

from __future__ import annotations

import pytest
from served import Caller, Callers

from cairn.contracts.json import JsonObject
from cairn.domain.tools.authored import native_uuid

CREDENTIALS = "/api/v1/credentials/"
TOOLS = "/api/v1/tools/"
TOKEN = {"name": "CRM", "credential_type": "bearer_token", "credential_data": {"token": "hush-hush"}}


async def test_a_credential_is_kept_changed_and_removed_and_its_secret_is_never_shown(caller: Caller) -> None:
    made = await caller.http.post(CREDENTIALS, json=TOKEN)
    assert made.status_code == 200, made.text
    uuid = made.json()["uuid"]
    assert set(made.json()) == {"uuid", "name", "description", "credential_type", "created_at", "updated_at"}
    changed = await caller.http.put(
        CREDENTIALS + uuid, json={**TOKEN, "name": "CRM 2", "description": "d", "credential_data": {"token": "hush2"}}
    )
    assert changed.json()["description"] == "d" and changed.json()["credential_type"] == "bearer_token"
    read, listed = await caller.http.get(CREDENTIALS + uuid), await caller.http.get(CREDENTIALS)
    assert listed.json() == [read.json()] == [changed.json()]
    assert not any("hush" in reply.text for reply in (made, changed, read, listed))
    assert (await caller.http.delete(CREDENTIALS + uuid)).json() == {"status": "deleted", "uuid": uuid}
    for reply in (
        await caller.http.get(CREDENTIALS + uuid),
        await caller.http.put(CREDENTIALS + uuid, json={"name": "n"}),
        await caller.http.delete(CREDENTIALS + uuid),
    ):
        assert (reply.status_code, reply.json()["code"]) == (404, "credential_not_found")


async def test_type_and_data_are_changed_together(caller: Caller) -> None:
    uuid = (await caller.http.post(CREDENTIALS, json=TOKEN)).json()["uuid"]
    for half in ({"credential_type": "none"}, {"credential_data": {}}):
        assert (await caller.http.put(CREDENTIALS + uuid, json=half)).status_code == 422
    whole = {"credential_type": "none", "credential_data": {}}
    assert (await caller.http.put(CREDENTIALS + uuid, json=whole)).json()["credential_type"] == "none"


@pytest.mark.parametrize(
    ("change", "status", "at"),
    [
        ({"credential_data": {}}, 422, ["body", "credential_data", "token"]),
        ({"credential_data": {"token": "hush\r\nX: y"}}, 422, ["body", "credential_data", "token"]),
        ({"credential_type": "oauth"}, 422, ["body", "credential_type"]),
        ({"name": " "}, 422, ["body", "name"]),
        ({"name": "a\nb"}, 422, ["body", "name"]),
    ],
)
async def test_a_wrong_credential_is_refused_without_repeating_it(
    caller: Caller, change: JsonObject, status: int, at: list[str]
) -> None:
    reply = await caller.http.post(CREDENTIALS, json={**TOKEN, **change})
    assert reply.status_code == status and [each["loc"] for each in reply.json()["detail"]] == [at]
    assert "hush" not in reply.text


async def test_names_of_credentials_are_unique_by_tenant_and_mode(caller: Caller, callers: Callers) -> None:
    assert (await caller.http.post(CREDENTIALS, json=TOKEN)).status_code == 200
    again = await caller.http.post(CREDENTIALS, json=TOKEN)
    assert (again.status_code, again.json()["code"]) == (409, "credential_exists")
    test_mode = await callers.new(caller.tenant, prefix="omf_test_")
    assert (await test_mode.http.get(CREDENTIALS)).json() == []
    assert (await test_mode.http.post(CREDENTIALS, json=TOKEN)).status_code == 200


async def test_keys_need_the_scope_and_others_find_nothing(caller: Caller, callers: Callers) -> None:
    uuid = (await caller.http.post(CREDENTIALS, json=TOKEN)).json()["uuid"]
    reader = await callers.new(caller.tenant, scopes=["credentials:read", "graphs:read"])
    assert (await reader.http.get(CREDENTIALS + uuid)).status_code == 200
    assert (await reader.http.post(CREDENTIALS, json=TOKEN)).status_code == 403
    assert (await reader.http.post(TOOLS, json={"name": "t", "definition": {"type": "calculator"}})).status_code == 403
    author = await callers.new(caller.tenant, scopes=["graphs:read", "graphs:write"])
    assert (await author.http.get(CREDENTIALS)).status_code == 403
    other = await callers.new()
    tool = (await caller.http.post(TOOLS, json=calculator())).json()["tool_uuid"]
    for path in (CREDENTIALS + uuid, TOOLS + tool):
        assert (await other.http.get(path)).status_code == 404
        assert (await other.http.delete(path)).status_code == 404


def http_tool(**config) -> JsonObject:
    return {"name": "t", "definition": {"type": "http_api", "config": {"method": "GET", **config}}}


def calculator() -> JsonObject:
    return {"name": "Sum", "category": "calculator", "definition": {"type": "calculator"}}


async def test_a_tool_is_made_read_and_archived(caller: Caller) -> None:
    made = (await caller.http.post(TOOLS, json=calculator())).json()
    path = TOOLS + made["tool_uuid"]
    assert (await caller.http.get(path)).json() == made
    assert (await caller.http.delete(path)).json() == {"status": "archived", "tool_uuid": made["tool_uuid"]}
    assert (await caller.http.get(path)).json()["status"] == "archived"
    listed = (await caller.http.get(TOOLS, params={"status": "active,archived", "category": "calculator"})).json()
    assert [each["tool_uuid"] for each in listed] == [made["tool_uuid"]]
    assert (await caller.http.get(TOOLS, params={"status": "draft"})).json() == []
    assert (await caller.http.get(TOOLS, params={"status": "gone"})).status_code == 422
    native = (await caller.http.get(TOOLS + native_uuid("echo"))).json()
    assert (native["name"], native["category"]) == ("echo", "native") and native["id"] < 0
    assert "value" in native["definition"]["config"]["parameters"]["properties"]
    assert (await caller.http.delete(TOOLS + native_uuid("echo"))).status_code == 404


async def test_a_tool_with_a_credential_that_does_not_exist_is_refused(caller: Caller) -> None:
    refused = await caller.http.post(TOOLS, json=http_tool(url="http://a/", credential_uuid="x"))
    assert (refused.status_code, refused.json()["code"]) == (404, "credential_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {**calculator(), "category": "http_api"},
        http_tool(url="ftp://a/"),
        http_tool(url="http://a/", headers={"Not a name": "x"}),
        http_tool(url="http://a/", headers={"X-A": "x\r\nX-B: y"}),
        {"name": "t", "definition": {"type": "mcp", "config": {"url": "http://a/"}}},
        {**calculator(), "icon_color": "red"},
    ],
)
async def test_a_wrong_tool_is_refused(caller: Caller, body: JsonObject) -> None:
    assert (await caller.http.post(TOOLS, json=body)).status_code == 422
