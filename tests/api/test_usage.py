"""Usage and budgets, as administrators see and set them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from graphs import noting, sequence
from installation import Cairn
from served import Caller, Callers

from cairn.domain.usage import Asked, Ledger, Request
from cairn.persistence.repository import Scope
from cairn.persistence.types import utc_now
from cairn.settings import Settings

ADMIN = "/api/v1/admin"
SUMMARY, BUDGET, USERS = f"{ADMIN}/usage/summary", f"{ADMIN}/budget", f"{ADMIN}/budget/users"
Spend = Callable[..., Awaitable[None]]


@pytest.fixture
async def admin(callers: Callers) -> Caller:
    return await callers.new(kind="human", user_id="boss", scopes=["agentflow:admin", "executions:write"])


@pytest.fixture
async def spend(lasting: Cairn, admin: Caller) -> AsyncIterator[Spend]:
    """Have something spent by the admin's tenant."""

    async def spend(cost: str | None, user: str | None = "ann", days: int = 0, live: bool = True, **more) -> None:
        spend.number += 1
        made = Request(
            work=f"{admin.tenant}/{spend.number}",
            key=f"{admin.tenant}/{spend.number}/1",
            temporal_id="none",
            execution_id="none",
            scope=Scope(admin.tenant, live),
            node_id="n",
            visit=1,
            user_id=user,
            at=utc_now() - timedelta(days=days),
            **{"model": "openai:gpt-4o", **more},
        )
        await Ledger(lasting.database).settle(made, Asked(1000, 10, None if cost is None else Decimal(cost)))

    spend.number = 0
    yield spend


async def put(caller: Caller, path: str, body: object, status: int = 200):
    reply = await caller.http.put(path, json=body)
    assert reply.status_code == status, reply.text
    return reply.json()


async def test_a_summary_tells_use_by_day_model_agent_and_user(admin: Caller, spend: Spend) -> None:
    await spend("0.5")
    await spend("0.25", "ben", days=2, model="anthropic:claude")
    await spend(None, days=6)
    await spend("7", days=20)
    await spend("100", live=False)
    week = (await admin.http.get(SUMMARY)).json()
    figures = {"requests": 3, "input_tokens": 3000, "output_tokens": 30, "cost": 0.75, "unpriced_requests": 1}
    assert week["totals"] == figures and (week["range"], week["currency"]) == ("7d", "USD")
    today = datetime.now(UTC).date()
    assert week["from"] == f"{today - timedelta(days=6)}T00:00:00Z" and week["to"].endswith("Z")
    assert [day["date"] for day in week["by_day"]] == [str(today - timedelta(days=n)) for n in range(6, -1, -1)]
    assert [day["requests"] for day in week["by_day"]] == [1, 0, 0, 0, 1, 0, 1]
    assert [(each["model"], each["cost"]) for each in week["by_model"]] == [
        ("openai:gpt-4o", 0.5),
        ("anthropic:claude", 0.25),
    ]
    assert [(each["user_id"], each["requests"]) for each in week["by_user"]] == [("ann", 2), ("ben", 1)]
    assert week["by_agent"] == [{"agent_id": None, "name": None, **figures}]
    for span, days, cost in (("30d", 30, 7.75), ("90d", 90, 7.75), ("all", 4, 7.75)):
        found = (await admin.http.get(SUMMARY, params={"range": span})).json()
        assert (len(found["by_day"]), found["totals"]["cost"], found["range"]) == (days, cost, span)
    for wrong in ("1d", "", "7"):
        refused = await admin.http.get(SUMMARY, params={"range": wrong})
        assert refused.status_code == 422 and refused.json()["detail"][0]["loc"] == ["query", "range"]


async def test_nothing_used_is_a_summary_too(admin: Caller) -> None:
    everything = (await admin.http.get(SUMMARY, params={"range": "all"})).json()
    assert (everything["from"], everything["by_day"], everything["totals"]["requests"]) == (None, [], 0)
    assert len((await admin.http.get(SUMMARY)).json()["by_day"]) == 7


async def test_a_budget_is_set_read_and_cleared(admin: Caller, spend: Spend) -> None:
    now = datetime.now(UTC)
    resets_at = f"{now.year + now.month // 12}-{now.month % 12 + 1:02}-01T00:00:00Z"
    unlimited = {
        "monthly_limit": None,
        "effective_limit": None,
        "spent": 0.0,
        "reserved": 0.0,
        "remaining": None,
        "currency": "USD",
        "resets_at": resets_at,
        "source": "default",
    }
    assert (await admin.http.get(BUDGET)).json() == unlimited
    limited = {**unlimited, "monthly_limit": 12.5, "effective_limit": 12.5, "remaining": 12.5, "source": "override"}
    assert await put(admin, BUDGET, {"monthly_limit": 12.5}) == limited
    await spend("2.25")
    assert (await admin.http.get(BUDGET)).json() == {**limited, "spent": 2.25, "remaining": 10.25}
    assert (await put(admin, BUDGET, {"monthly_limit": 0}))["remaining"] == 0
    assert await put(admin, BUDGET, {"monthly_limit": None}) == {**unlimited, "spent": 2.25}


async def test_users_have_limits_and_spend(admin: Caller, spend: Spend) -> None:
    assert (await admin.http.get(USERS)).json()["users"] == []
    await spend("3", "ben")
    ann = {"user_id": "ann", "monthly_limit": 1.0, "spent": 0.0, "remaining": 1.0}
    assert await put(admin, USERS, {"user_id": "ann", "monthly_limit": 1}) == ann
    await spend("0.75", "ann")
    ann |= {"spent": 0.75, "remaining": 0.25}
    ben = {"user_id": "ben", "monthly_limit": None, "spent": 3.0, "remaining": None}
    listed = (await admin.http.get(USERS)).json()
    assert (listed["users"], listed["total"], listed["page"], listed["page_size"]) == ([ann, ben], 2, 1, 20)
    assert (await put(admin, USERS, {"user_id": "ben", "monthly_limit": 2}))["remaining"] == 0
    first = (await admin.http.get(USERS, params={"page_size": 1})).json()
    await put(admin, USERS, {"user_id": "carl", "monthly_limit": 5})
    second = await admin.http.get(USERS, params={"page_size": 1, "page": 2, "anchor": first["anchor"]})
    assert [each["user_id"] for each in first["users"] + second.json()["users"]] == ["ann", "ben"]
    assert (await put(admin, USERS, {"user_id": "ann", "monthly_limit": None}))["remaining"] is None


@pytest.mark.parametrize(
    ("path", "body", "loc"),
    [
        (BUDGET, {"monthly_limit": -0.01}, "monthly_limit"),
        (BUDGET, {"monthly_limit": "5"}, "monthly_limit"),
        (BUDGET, {"monthly_limit": True}, "monthly_limit"),
        (BUDGET, {"monthly_limit": 1e10}, "monthly_limit"),
        (BUDGET, {}, "monthly_limit"),
        (USERS, {"user_id": "ann", "monthly_limit": -1}, "monthly_limit"),
        (USERS, {"user_id": "", "monthly_limit": 1}, "user_id"),
        (USERS, {"user_id": "a\u0000", "monthly_limit": 1}, "user_id"),
        (USERS, {"user_id": 5, "monthly_limit": 1}, "user_id"),
        (USERS, {"monthly_limit": 1}, "user_id"),
    ],
)
async def test_wrong_limits_are_refused(admin: Caller, path: str, body: object, loc: str) -> None:
    refused = await put(admin, path, body, 422)
    assert refused["detail"][0]["loc"] == ["body", loc] and refused.keys() == {"detail", "code", "request_id"}


async def test_only_people_with_an_administrators_scope_are_let_in(callers: Callers, admin: Caller) -> None:
    await put(admin, BUDGET, {"monthly_limit": 5})
    service = await callers.new(admin.tenant, scopes=["*"])
    reader = await callers.new(admin.tenant, kind="human", scopes=["executions:read"])
    for caller, code in ((service, "not_an_administrator"), (reader, "forbidden")):
        for path in (SUMMARY, BUDGET, USERS):
            refused = await caller.http.get(path)
            assert (refused.status_code, refused.json()["code"]) == (403, code)
        # Before what is sent is looked at.
        assert (await put(caller, BUDGET, {"monthly_limit": -1}, 403))["code"] == code
        assert (await put(caller, USERS, {"user_id": "ann", "monthly_limit": 1}, 403))["code"] == code
    assert (await callers.client().get(BUDGET)).status_code == 401
    everything = await callers.new(admin.tenant, kind="human")
    assert (await everything.http.get(BUDGET)).json()["monthly_limit"] == 5
    for other in (await callers.new(kind="human"), await callers.new(admin.tenant, kind="human", live=False)):
        assert (await other.http.get(BUDGET)).json()["monthly_limit"] is None


async def test_over_the_budget_nothing_is_started(admin: Caller, callers: Callers, spend: Spend) -> None:
    owner = await callers.new(admin.tenant, user_id="ann")
    workflow = (await owner.publish(sequence(noting("a"))))["uuid"]
    started = await owner.start(sequence(noting("a")))
    done = await owner.reach(started["id"], "completed")
    await spend("1", "ann")
    await put(admin, USERS, {"user_id": "ann", "monthly_limit": 1})
    checkpoint = done["checkpoints"][-1]["id"]
    key = {"Idempotency-Key": "one"}
    for path, body in (
        ("/api/v1/executions", {"workflow_id": workflow}),
        (f"/api/v1/executions/{started['id']}/fork", {"checkpoint_id": checkpoint}),
    ):
        refused = await owner.http.post(path, json=body, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (429, "budget_exceeded"), refused.text
        assert refused.json()["resets_at"] == (await admin.http.get(BUDGET)).json()["resets_at"]
        assert int(refused.headers["Retry-After"]) > 0
    # A service may start work for one of its users, whose budget then holds.
    body = {"workflow_id": workflow, "metadata": {"user_id": "ben"}}
    assert (await owner.http.post("/api/v1/executions", json=body)).status_code == 201
    await put(admin, BUDGET, {"monthly_limit": 0.5})
    assert (await owner.http.post("/api/v1/executions", json=body)).json()["scope"] == "tenant"
    await put(admin, USERS, {"user_id": "ann", "monthly_limit": None})
    await put(admin, BUDGET, {"monthly_limit": None})
    again = await owner.http.post("/api/v1/executions", json={"workflow_id": workflow}, headers=key)
    assert again.status_code == 201, "a refusal for the budget is not kept"


def test_administrators_scopes_are_told_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().agentflow_admin_scopes == ["agentflow:admin"]
    monkeypatch.setenv("AGENTFLOW_ADMIN_SCOPES", "ops:admin, finance:admin")
    assert Settings().agentflow_admin_scopes == ["ops:admin", "finance:admin"]
