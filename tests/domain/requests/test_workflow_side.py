"""Requests as executions write them down, and the figures over them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from persistence.rows import Executions
from sqlalchemy import select, update
from sqlmodel import col

from cairn.contracts.requests import CloseRequest, OpenRequest
from cairn.domain.principal import Principal
from cairn.domain.requests.model import RequestFilter
from cairn.domain.requests.service import RequestService
from cairn.domain.requests.statistics import ApprovalStatistics
from cairn.domain.requests.workflow_side import cancel_requests, close_request, open_request
from cairn.errors import NotFound
from cairn.persistence.session import Database
from cairn.persistence.tables import RequestRow
from cairn.persistence.types import utc_now

ANN = Principal("acme", True, frozenset({"*"}), "ann", "human", "key_ann")
SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}}}


def asked(number: int = 1, **more: Any) -> OpenRequest:
    values: dict[str, Any] = {
        "request_id": f"appr_{number:032x}",
        "kind": "approval",
        "execution_id": "e1",
        "temporal_id": "acme.e1",
        "tenant": "acme",
        "run_id": "run-1",
        "lineage": "run-1",
        "node_id": "ask",
        "visit": 1,
        "prompt": "May I?",
    }
    return OpenRequest(**{**values, **more})


async def opened(database: Database, *requests: OpenRequest) -> None:
    for each in requests:
        async with database.transaction() as session:
            await open_request(session, each, SCHEMA if each.tool else None)


async def closed(database: Database, number: int, status: Any, **more: Any) -> None:
    async with database.transaction() as session:
        await close_request(
            session, CloseRequest(request_id=f"appr_{number:032x}", tenant="acme", status=status, **more)
        )


async def row(database: Database, number: int = 1) -> RequestRow:
    async with database.session() as session:
        query = select(RequestRow).where(col(RequestRow.id) == f"appr_{number:032x}")
        return (await session.execute(query)).scalar_one()


async def test_a_request_is_written_once_and_names_the_graph_that_asks(database: Database) -> None:
    executions = await Executions.of(database)
    await executions.add("e1")
    await opened(database, *[asked(tool="refund", arguments={"amount": 5})] * 2)
    found = await row(database)
    assert (found.agent_id, found.tool_id, found.tool_name) == (executions.graph.uuid, "refund", "refund")
    assert (found.status, found.arguments, found.schema_) == ("pending", {"amount": 5}, SCHEMA)
    async with database.session() as session:
        assert len((await session.execute(select(RequestRow))).all()) == 1


async def test_two_tries_at_once_write_one(database: Database) -> None:
    import asyncio

    await asyncio.gather(*[opened(database, asked()) for _ in range(4)])
    assert (await row(database)).status == "pending"


async def test_escalating_adds_assignees_once_and_forgets_the_earlier_notification(database: Database) -> None:
    await opened(database, asked(assignees=["ann"]))
    async with database.transaction() as session:
        await session.execute(update(RequestRow).values(notified_at=utc_now()))
    await opened(database, asked(assignees=["ann", "bob"], escalated=True))
    found = await row(database)
    assert (found.assignees, found.escalated, found.notified_at) == (["ann", "bob"], True, None)
    async with database.transaction() as session:
        await session.execute(update(RequestRow).values(notified_at=utc_now()))
    await opened(database, asked(assignees=["ann", "bob"], escalated=True))
    assert (await row(database)).notified_at is not None


async def test_the_first_end_counts(database: Database) -> None:
    await opened(database, asked())
    value = {"decision": "approved", "by": "ann", "reason": "fine", "modified_arguments": {"amount": 1}}
    await closed(database, 1, "approved", by="ann", value=value)
    await closed(database, 1, "expired")
    found = await row(database)
    assert (found.status, found.decision, found.resolved_by, found.reason) == ("approved", "approved", "ann", "fine")
    assert found.modified_arguments == {"amount": 1} and found.waited is not None
    await opened(database, asked(escalated=True, assignees=["bob"]))
    assert (await row(database)).status == "approved"


async def test_the_end_of_a_line_cancels_what_it_asked_but_an_answer_told_late_counts(database: Database) -> None:
    await opened(database, asked(1), asked(2, lineage="run-2"), asked(3, temporal_id="acme.other"))
    async with database.transaction() as session:
        await cancel_requests(session, "acme.e1", keep="run-2")
    assert [(await row(database, n)).status for n in (1, 2, 3)] == ["cancelled", "pending", "pending"]
    async with database.transaction() as session:
        await cancel_requests(session, "acme.e1")
    assert [(await row(database, n)).status for n in (1, 2, 3)] == ["cancelled", "cancelled", "pending"]
    await closed(database, 2, "denied", by="ann", value={"decision": "denied"})
    assert (await row(database, 2)).status == "denied"


async def test_pending_are_those_of_the_tenant_that_are_not_overdue(database: Database) -> None:
    past, future = utc_now() - timedelta(minutes=2), utc_now() + timedelta(hours=1)
    just = utc_now() - timedelta(seconds=10)  # by our clock: the execution has not said so
    question = asked(6, kind="question", schema_={"type": "string"})
    others = [asked(4, tenant="rival"), asked(5, live=False), question, asked(7, expires_at=just)]
    await opened(database, asked(1, expires_at=past), asked(2, expires_at=future, tool="refund"), asked(3), *others)
    async with database.transaction() as session:
        service = RequestService(session, None, ANN)  # type: ignore[arg-type]
        page = await service.list_pending("approval", RequestFilter(), 1, 20)
        assert [(int(each.id[5:], 16), each.status) for each in page.items] == [
            (7, "pending"),
            (3, "pending"),
            (2, "pending"),
        ]
        page = await service.list_pending("approval", RequestFilter(tool_name="refund", execution_id="e1"), 1, 20)
        assert [int(each.id[5:], 16) for each in page.items] == [2]
        assert (await service.get("approval", asked(1).request_id)).status == "expired"
        assert (await service.get("question", question.request_id)).schema == {"type": "string"}
        for kind, number in (("question", 1), ("approval", 4), ("approval", 5), ("approval", 6)):
            with pytest.raises(NotFound):
                await service.get(kind, asked(number).request_id)
        assert await service.expire_overdue() == 1
        assert await service.expire_overdue() == 0
    assert (await row(database, 1)).status == "expired"


async def test_figures(database: Database) -> None:
    tools = [asked(n, tool="refund") for n in range(1, 7)]
    await opened(database, *tools, asked(7), asked(8, tool="refund", tenant="rival"))
    await closed(database, 1, "approved", value={"decision": "approved"})
    await closed(database, 2, "approved", value={"decision": "approved", "modified_arguments": {"amount": 1}})
    await closed(database, 3, "denied", value={"decision": "denied"})
    await closed(database, 4, "expired")
    async with database.transaction() as session:
        for number, waited in ((1, 10.0), (2, 20.0), (3, 60.0), (4, 900.0)):
            of_it = col(RequestRow.id) == asked(number).request_id
            await session.execute(update(RequestRow).where(of_it).values(waited=waited))
    async with database.session() as session:
        figures = ApprovalStatistics(session, ANN)
        stats = await figures.of_tool("refund", frozenset())
        assert (stats.total, stats.pending, stats.approved, stats.modified) == (6, 2, 2, 1)
        assert (stats.denied, stats.expired, stats.cancelled, stats.median_seconds) == (1, 1, 0, 20.0)
        assert (await figures.of_tool("other", frozenset({"other"}))).total == 0
        with pytest.raises(NotFound):
            await figures.of_tool("other", frozenset())
        board = await figures.dashboard()
        assert (board.pending, board.by_tool) == (3, [("refund", 2), (None, 1)])
        assert board.by_agent == [(None, 3)] and board.oldest_pending_seconds is not None
        assert board.last_24h == {"requested": 7, "approved": 2, "denied": 1, "expired": 1, "cancelled": 0}
    await closed(database, 5, "denied", value={"decision": "denied"})
    async with database.session() as session:
        of_two = await ApprovalStatistics(session, ANN).of_tool("refund", frozenset())
        assert of_two.median_seconds is not None and of_two.median_seconds < 20
