"""Keys and policy of a tenant over the API: what is kept, what is shown, and to whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from served import Caller, Callers, served
from servers.openai_server import KEY, OpenAIServer
from sqlalchemy import select

from cairn.persistence.tables import LlmProviderRow

CONFIG = "/api/v1/llm/config"
MODE, OPTIONS, TEST = f"{CONFIG}/mode", f"{CONFIG}/model-options", f"{CONFIG}/test-key"
SECRET = "sk-very-secret-and-long-wxyz"


async def save(caller: Caller, **body: Any) -> dict[str, Any]:
    reply = await caller.http.post(CONFIG, json={"provider": "openai", "api_key": SECRET, **body})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def config(caller: Caller) -> dict[str, Any]:
    reply = await caller.http.get(CONFIG)
    assert reply.status_code == 200, reply.text
    return reply.json()


def refused(reply: Any, status: int, code: str) -> Any:
    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), reply.text
    assert set(body) >= {"detail", "code", "request_id"} and SECRET not in reply.text
    return body


async def test_at_first_the_installations_keys_are_used(caller: Caller) -> None:
    assert await config(caller) == {"mode": "platform", "providers": [], "allowlist": [], "defaults": {}}


async def test_a_key_is_kept_encrypted_and_shown_by_its_hint(caller: Caller, callers: Callers) -> None:
    made = await save(caller, models=["gpt-5.2", "openai:gpt-4o"], defaults={"chat": "gpt-4o"})
    assert (made["key_hint"], made["models"], made["default_for"]) == ("…wxyz", ["gpt-5.2", "gpt-4o"], ["chat"])
    assert (made["base_url"], made["last_used_at"]) == (None, None)
    read = await caller.http.get(CONFIG)
    assert SECRET not in read.text
    assert read.json() == {
        "mode": "platform",
        "providers": [made],
        "allowlist": ["openai:gpt-5.2", "openai:gpt-4o"],
        "defaults": {"chat": "openai:gpt-4o"},
    }
    async with callers.database.session() as session:
        query = select(LlmProviderRow).where(LlmProviderRow.uuid == made["uuid"])  # pyright: ignore
        row = (await session.execute(query)).scalar_one()
    assert SECRET not in repr(row.model_dump()) and SECRET.encode() not in row.sealed


async def test_saving_again_replaces_the_key_and_its_policy(caller: Caller) -> None:
    first = await save(caller, models=["gpt-5.2"], defaults={"chat": "gpt-5.2", "recommend": "gpt-5.2"})
    second = await save(caller, api_key="short-key")
    assert (second["uuid"], second["key_hint"], second["models"]) == (first["uuid"], "…", [])
    assert (await config(caller))["defaults"] == {}


async def test_a_use_case_has_one_default_among_all_providers(caller: Caller) -> None:
    await save(caller, defaults={"chat": "gpt-5.2", "recommend": "gpt-5.2"})
    await save(caller, provider="anthropic", defaults={"chat": "claude-sonnet-4-6"})
    now = await config(caller)
    assert now["defaults"] == {"chat": "anthropic:claude-sonnet-4-6", "recommend": "openai:gpt-5.2"}
    assert [each["default_for"] for each in now["providers"]] == [["recommend"], ["chat"]]


async def test_many_saves_at_once_make_one(caller: Caller) -> None:
    saved = await asyncio.gather(*(save(caller, models=[f"m{i}"]) for i in range(6)))
    assert len({each["uuid"] for each in saved}) == 1
    assert len((await config(caller))["providers"]) == 1


async def test_the_same_request_twice_is_one(caller: Caller) -> None:
    body, headers = {"provider": "google", "api_key": SECRET}, {"Idempotency-Key": "k"}
    first, again = [await caller.http.post(CONFIG, json=body, headers=headers) for _ in range(2)]
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"provider": "nobody", "api_key": "k"}, ["body", "provider"]),
        ({"provider": "openai"}, ["body", "api_key"]),
        ({"provider": "openai", "api_key": ""}, ["body", "api_key"]),
        ({"provider": "openai", "api_key": "a\nX-Evil: 1"}, ["body", "api_key"]),
        ({"provider": "openai", "api_key": SECRET + " "}, ["body", "api_key"]),
        ({"provider": "openai", "api_key": 5}, ["body", "api_key"]),
        ({"provider": "azure", "api_key": "k"}, ["body", "base_url"]),
        ({"provider": "openai", "api_key": "k", "base_url": "ftp://example.com"}, ["body", "base_url"]),
        ({"provider": "openai", "api_key": "k", "base_url": "https://u:p@example.com"}, ["body", "base_url"]),
        ({"provider": "openai", "api_key": "k", "base_url": "https://example.com?key=1"}, ["body", "base_url"]),
        ({"provider": "openai", "api_key": "k", "base_url": "nonsense"}, ["body", "base_url"]),
        ({"provider": "openai", "api_key": "k", "models": [""]}, ["body", "models", 0]),
        ({"provider": "openai", "api_key": "k", "models": ["openai:"]}, ["body", "models", 0]),
        ({"provider": "openai", "api_key": "k", "defaults": {"dream": "m"}}, ["body", "defaults", "dream"]),
        (
            {"provider": "openai", "api_key": "k", "models": ["a"], "defaults": {"chat": "b"}},
            ["body", "defaults", "chat"],
        ),
    ],
)
async def test_what_cannot_be_kept_is_refused(caller: Caller, body: dict[str, Any], where: list[str]) -> None:
    reply = await caller.http.post(CONFIG, json=body)
    assert reply.status_code == 422 and SECRET not in reply.text
    assert [each["loc"] for each in reply.json()["detail"]] == [where]
    assert (await config(caller))["providers"] == []


async def test_byok_needs_a_key(caller: Caller) -> None:
    refused(await caller.http.put(MODE, json={"mode": "byok"}), 409, "llm_key_missing")
    assert (await caller.http.put(MODE, json={"mode": "mine"})).status_code == 422
    await save(caller)
    for mode in ("byok", "byok", "platform"):
        reply = await caller.http.put(MODE, json={"mode": mode})
        assert (reply.status_code, reply.json()["mode"], (await config(caller))["mode"]) == (200, mode, mode)


async def test_a_key_is_deleted_at_once_also_the_last_one(caller: Caller) -> None:
    made = await save(caller, models=["gpt-5.2"], defaults={"chat": "gpt-5.2"})
    await caller.http.put(MODE, json={"mode": "byok"})
    gone = await caller.http.delete(f"{CONFIG}/{made['uuid']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert await config(caller) == {"mode": "byok", "providers": [], "allowlist": [], "defaults": {}}
    refused(await caller.http.delete(f"{CONFIG}/{made['uuid']}"), 404, "llm_config_not_found")
    asked = {"messages": [{"role": "user", "content": "Hello"}]}
    refused(await caller.http.post("/api/v1/llm/chat", json=asked), 409, "llm_key_missing")


async def test_what_is_a_tenants_is_not_there_for_another(caller: Caller, callers: Callers) -> None:
    made = await save(caller, models=["gpt-5.2"])
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await config(other))["providers"] == []
        refused(await other.http.delete(f"{CONFIG}/{made['uuid']}"), 404, "llm_config_not_found")
        refused(await other.http.put(MODE, json={"mode": "byok"}), 409, "llm_key_missing")
    reader = await callers.new(caller.tenant, scopes=["llm-config:read"])
    assert (await config(reader))["providers"] == [made]
    for reply in (
        await reader.http.post(CONFIG, json={"provider": "openai", "api_key": "k"}),
        await reader.http.put(MODE, json={"mode": "platform"}),
        await reader.http.post(TEST, json={"provider": "openai", "api_key": "k"}),
        await reader.http.delete(f"{CONFIG}/{made['uuid']}"),
        await reader.http.get("/api/v1/models"),
    ):
        refused(reply, 403, "forbidden")


async def test_models_are_listed_with_what_they_can_and_cost(caller: Caller) -> None:
    listed = (await caller.http.get("/api/v1/models")).json()
    models = {each["id"]: each for each in listed["models"]}
    assert listed["total"] == len(models) > 60
    gpt = models["openai:gpt-5.2"]
    assert (gpt["provider"], gpt["context_window"], gpt["max_output_tokens"]) == ("openai", 400_000, 128_000)
    assert set(gpt["capabilities"]) == {"text", "tools", "vision", "structured_output", "streaming"}
    pricing = {"input_per_1m": 1.75, "output_per_1m": 14, "cached_input_per_1m": 0.175, "currency": "USD"}
    assert gpt["pricing"] == pricing and not gpt["available"] and gpt["catalog_date"] >= "2026-01-01"
    assert models["offline"]["available"] and models["offline"]["pricing"]["output_per_1m"] == 0
    await save(caller, provider="anthropic", models=["claude-sonnet-4-6", "claude-of-ours"])
    await caller.http.put(MODE, json={"mode": "byok"})
    own = (await caller.http.get("/api/v1/models?provider=anthropic")).json()
    usable = [each["id"] for each in own["models"] if each["available"]]
    assert usable == ["anthropic:claude-sonnet-4-6", "anthropic:claude-of-ours"]
    assert {each["provider"] for each in own["models"]} == {"anthropic"}
    (unknown,) = [each for each in own["models"] if each["id"] == usable[1]]
    assert (unknown["pricing"], unknown["capabilities"], unknown["context_window"]) == (None, None, None)
    offline = (await caller.http.get("/api/v1/models?provider=offline")).json()["models"]
    assert [each["available"] for each in offline] == [False]


async def test_models_have_pages(caller: Caller) -> None:
    whole = (await caller.http.get("/api/v1/models")).json()
    first, second = [(await caller.http.get(f"/api/v1/models?page={n}&page_size=7")).json() for n in (1, 2)]
    assert [*first["models"], *second["models"]] == whole["models"][:14]
    assert (second["page"], second["page_size"], second["total"]) == (2, 7, whole["total"])
    for wrong in ("page=0", "page_size=101", "page_size=x"):
        assert (await caller.http.get(f"/api/v1/models?{wrong}")).status_code == 422


async def test_the_options_are_the_models_that_can_be_used(caller: Caller) -> None:
    at_first = (await caller.http.get(OPTIONS)).json()
    assert "offline" in [each["id"] for each in at_first["models"]]
    assert [(each["id"], each["default"]) for each in at_first["use_cases"]] == [
        ("chat", None),
        ("autocomplete", None),
        ("recommend", None),
        ("tools", None),
        ("capabilities", None),
    ]
    await save(caller, models=["gpt-4o", "gpt-of-ours"], defaults={"autocomplete": "gpt-of-ours"})
    await caller.http.put(MODE, json={"mode": "byok"})
    mine = (await caller.http.get(OPTIONS)).json()
    assert [each["id"] for each in mine["models"]] == ["openai:gpt-4o", "openai:gpt-of-ours"]
    assert [each["default"] for each in mine["use_cases"]] == [None, "openai:gpt-of-ours", None, None, None]


async def test_a_key_is_tried_at_its_provider(caller: Caller, server: OpenAIServer) -> None:
    body = {"provider": "openai", "api_key": KEY, "base_url": server.url}
    good = (await caller.http.post(TEST, json=body)).json()
    assert (good["valid"], good["error"], good["models"]) == (True, None, ["test-model", "other-model"])
    assert good["latency_ms"] > 0
    bad = await caller.http.post(TEST, json={**body, "api_key": SECRET})
    assert bad.status_code == 200 and SECRET not in bad.text
    assert (bad.json()["valid"], bad.json()["models"]) == (False, None) and "refuses the key" in bad.json()["error"]
    away = (await caller.http.post(TEST, json={**body, "base_url": "http://127.0.0.1:9/v1"})).json()
    assert (away["valid"], away["error"]) == (False, "The provider cannot be reached.")
    assert (await config(caller))["providers"] == []
    assert (await caller.http.post(TEST, json={"provider": "azure", "api_key": "k"})).status_code == 422


async def test_private_addresses_are_refused(callers: Callers, caller: Caller, server: OpenAIServer) -> None:
    """An installation that does not allow them, over the same database."""
    careful = callers.settings.model_copy(update={"http_allow_private": False})
    async with served(careful) as url:
        outside = Callers(url, callers.database, callers.settings)
        someone = await outside.new()
        for base_url in (
            server.url,
            "http://localhost/v1",
            "http://169.254.169.254/",
            "http://[::1]/",
            "http://10.0.0.1",
        ):
            body = {"provider": "openai", "api_key": KEY, "base_url": base_url}
            for path in (CONFIG, TEST):
                refused(await someone.http.post(path, json=body), 422, "address_refused")
        assert (await config(someone))["providers"] == []
        await outside.close()
