"""Health, readiness, the reference, metrics and limits: what needs no graph."""

from __future__ import annotations

import asyncio
import re

import pytest
from installation import Cairn, until
from served import Callers, served

from cairn import __version__


async def test_status_and_health_need_no_key(callers: Callers) -> None:
    client = callers.client()
    assert (await client.get("/")).json() == {"name": "cairn", "version": __version__, "status": "ok"}
    health = (await client.get("/health")).json()
    assert health["status"] == "ok" and health["version"] == __version__
    assert health["uptime_seconds"] > 0 and health["memory"]["rss_bytes"] > 10_000_000
    assert 0 < health["memory"]["percent"] < 100


async def test_readiness_tells_of_database_temporal_and_workers(callers: Callers, lasting: Cairn) -> None:
    async def ready() -> dict | None:
        reply = await callers.client().get("/ready")
        return reply.json() if reply.status_code == 200 else None

    found = await until(ready)
    assert found["status"] == "ready"
    assert all(check["ok"] and check["latency_ms"] >= 0 for check in found["checks"].values())
    lonely = lasting.settings.model_copy(update={"task_queue": "nobody-polls-this"})
    async with served(lonely) as url:
        others = Callers(url, lasting.database, lonely)
        reply = await others.client().get("/ready")
        await others.close()
    assert reply.status_code == 503
    assert {name: check["ok"] for name, check in reply.json()["checks"].items()} == {
        "database": True,
        "temporal": True,
        "workers": False,
    }
    assert reply.json()["checks"]["workers"]["detail"] == "No worker polls the task queue."


async def test_the_reference_is_complete_and_needs_no_internet(callers: Callers) -> None:
    client = callers.client()
    merged = (await client.get("/openapi.json")).json()
    for name in ("omium", "voice", "agentflow", "codec"):
        document = (await client.get(f"/{name}/openapi.json")).json()
        assert document["paths"] and document["paths"].keys() <= merged["paths"].keys()
        schemas = document["components"]["schemas"]
        assert {f"{name}.{schema}" for schema in schemas} <= merged["components"]["schemas"].keys()
    for page in ("/docs", "/redoc"):
        text = (await client.get(page)).text
        assert re.findall(r'<option value="(\w+)">', text) == ["all", "omium", "voice", "agentflow", "codec"]
        addresses = re.findall(r'(?:src|href)="([^"]+)"', text)
        assert addresses and all(address.startswith("/") for address in addresses)
        for address in addresses:
            assert (await client.get(address)).status_code == 200, address
        assert "img-src 'self' data:" in text, "ReDoc's own picture is another site's"
    # Every reference within a document is there.
    text = (await client.get("/openapi.json")).text
    for reference in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert reference in merged["components"]["schemas"]


async def test_trying_a_list_out_in_the_reference_leaves_nothing_out(callers: Callers) -> None:
    """Swagger UI sends the examples of parameters, and for an object without one what it makes up."""
    (parameter,) = (
        each
        for each in (await callers.client().get("/omium/openapi.json")).json()["paths"]["/api/v1/executions"]["get"][
            "parameters"
        ]
        if each["name"] == "metadata"
    )
    assert parameter["example"] == {}


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/nowhere", {"detail", "code", "request_id"}),
        ("/api/v1/nowhere", {"detail", "code", "request_id"}),
        ("/omium/api/v1/workflow/fetch", {"detail", "code", "request_id"}),
        ("/docs/assets/nowhere", {"detail", "code", "request_id"}),
        ("/voice/api/v1/executions", {"detail", "code", "request_id"}),
        ("/workflow/nowhere/at/all", {"detail", "code", "request_id"}),
        ("/api/v1/folder/1/members", {"detail", "code", "request_id"}),
        ("/v1/agents", {"error"}),
        ("/workflux/v1/agents", {"error"}),
        ("/api/v1/contacts", {"success", "error", "meta"}),
        ("/omniflow/api/v1/agents", {"success", "error", "meta"}),
        ("/api/v1/agents/nowhere/at/all", {"detail", "code", "request_id"}),
    ],
)
async def test_an_unknown_path_is_answered_in_the_shape_of_its_surface(callers: Callers, path, shape) -> None:
    reply = await callers.client().get(path)
    assert (reply.status_code, reply.json().keys()) == (404, shape)
    assert reply.headers["X-Request-ID"] in reply.text


async def test_another_method_on_the_reference_is_refused_in_the_same_shape(callers: Callers) -> None:
    reply = await callers.client().delete("/docs")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in reply.headers["Allow"] and reply.json()["request_id"] == reply.headers["X-Request-ID"]


async def test_the_prefix_of_a_key_chooses_where_two_surfaces_share_a_path(callers: Callers) -> None:
    for prefix, shape in (("omf_test_", {"success", "error", "meta"}), ("af_", {"detail", "code", "request_id"})):
        for headers in ({"X-API-Key": f"{prefix}x"}, {"Authorization": f"Bearer {prefix}x"}):
            for path in ("/api/v1/agents", "/api/v1/conversations/5"):
                assert (await callers.client().get(path, headers=headers)).json().keys() == shape


async def test_metrics_are_served_when_they_are_asked_for(lasting: Cairn) -> None:
    settings = lasting.settings.model_copy(update={"metrics": True})
    async with served(settings) as url:
        callers = Callers(url, lasting.database, settings)
        caller = await callers.new()
        await caller.http.get("/omium/api/v1/executions/secret-id")

        async def measured() -> str | None:
            text = (await callers.client().get("/metrics")).text
            return text if 'route="/api/v1/executions/{execution_id}"' in text else None

        assert "secret-id" not in await until(measured)
        await callers.close()


async def test_no_metrics_otherwise(callers: Callers) -> None:
    assert (await callers.client().get("/metrics")).status_code == 404


async def test_a_rate_limit_counts_each_key(lasting: Cairn) -> None:
    settings = lasting.settings.model_copy(update={"rate_limit": "3/minute"})
    async with served(settings) as url:
        callers = Callers(url, lasting.database, settings)
        caller, other = await callers.new(), await callers.new()
        replies = [await caller.http.get("/api/v1/executions") for _ in range(4)]
        assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
        assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
        assert all(reply.headers["X-RateLimit-Limit"] == "3" for reply in replies)
        assert replies[3].json()["code"] == "rate_limited" and 1 <= int(replies[3].headers["Retry-After"]) <= 60
        assert (await other.http.get("/api/v1/executions")).status_code == 200
        assert (await caller.http.get("/api/v1/workflow/fetch")).status_code == 200
        await callers.close()


async def test_many_callers_at_once(callers: Callers) -> None:
    caller = await callers.new()
    replies = await asyncio.gather(*(caller.http.get("/api/v1/executions") for _ in range(100)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.headers["X-Request-ID"] for reply in replies}) == 100


async def test_the_use_of_a_key_is_noted(callers: Callers, lasting: Cairn) -> None:
    from sqlmodel import select

    from cairn.persistence.tables import ApiKeyRow

    caller = await callers.new()

    async def used() -> object:
        async with lasting.database.session() as session:
            row = (await session.execute(select(ApiKeyRow).where(ApiKeyRow.tenant == caller.tenant))).scalar_one()
            return row.last_used_at

    assert await used() is None
    await caller.http.get("/api/v1/executions")
    await until(used)
