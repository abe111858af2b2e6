"""Requests to people: written down, told to a URL, closed."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from installation import Cairn
from pydantic import SecretStr
from servers.listen import serve
from sqlalchemy import select, update
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.requests import RequestActivities
from cairn.contracts.requests import CloseRequest, OpenRequest
from cairn.domain.credentials import CredentialHeaders, Sealer
from cairn.domain.keys import load_secret
from cairn.domain.requests.link import read_token
from cairn.domain.tools.authored import Toolbox
from cairn.domain.tools.registry import load_tools
from cairn.persistence.tables import RequestRow
from cairn.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def toolbox(cairn: Cairn, settings: Settings) -> Toolbox:
    credentials = CredentialHeaders(cairn.database, Sealer.of(settings))
    return Toolbox(settings, cairn.database, load_tools(settings), credentials)


class Listener:
    """A server that takes notifications, or answers with a status."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.url = ""

    async def hear(self, request: Request) -> Response:
        self.heard.append((dict(request.headers), await request.body()))
        return Response(status_code=self.status, headers={"location": "/elsewhere"})

    @property
    def last(self) -> dict[str, Any]:
        return json.loads(self.heard[-1][1])


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    async with serve(Starlette(routes=[Route("/told", made.hear, methods=["POST"])])) as base:
        made.url = f"{base}/told"
        yield made


class Asking:
    """A run that asks."""

    def __init__(self, cairn: Cairn, run_id: str, temporal_id: str) -> None:
        self.cairn, self.run_id, self.temporal_id = cairn, run_id, temporal_id
        self.request_id = f"appr_{uuid.uuid4().hex}"

    def request(self, **more: Any) -> OpenRequest:
        values: dict[str, Any] = {
            "request_id": self.request_id, "kind": "approval", "execution_id": "e1", "temporal_id": self.temporal_id,
            "tenant": "acme", "run_id": self.run_id, "lineage": self.run_id, "node_id": "ask", "visit": 1,
            "prompt": "May I?",
        }  # fmt: skip
        return OpenRequest(**{**values, **more})

    async def open(
        self, run_id: str | None = None, settings: dict[str, Any] | None = None, attempt: int = 1, **more: Any
    ) -> None:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, workflow_run_id=run_id or self.run_id, attempt=attempt)
        changed = self.cairn.settings.model_copy(update=settings or {})
        activities = RequestActivities(changed, self.cairn.database, self.cairn.temporal, toolbox(self.cairn, changed))
        await environment.run(activities.open_request, self.request(**more))

    async def close(self, attempt: int = 1, **more: Any) -> None:
        settings = self.cairn.settings
        activities = RequestActivities(
            settings, self.cairn.database, self.cairn.temporal, toolbox(self.cairn, settings)
        )
        closed = CloseRequest(request_id=self.request_id, tenant="acme", **more)
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=attempt)
        await environment.run(activities.close_request, closed)

    async def row(self) -> RequestRow | None:
        async with self.cairn.database.session() as session:
            return (await session.execute(select(RequestRow))).scalar_one_or_none()

    async def pending(self) -> RequestRow:
        row = await self.row()
        assert row is not None and row.status == "pending"
        return row


@pytest.fixture
async def asking(idle_cairn: Cairn) -> AsyncIterator[Asking]:
    """A run of a workflow that nobody works on."""
    handle = await idle_cairn.client.start_workflow(
        "Asking", id=f"asking-{uuid.uuid4().hex}", task_queue=idle_cairn.settings.task_queue
    )
    yield Asking(idle_cairn, handle.first_execution_run_id or "", handle.id)
    run = await handle.describe()
    if run.close_time is None:
        await handle.terminate()


async def test_a_request_of_a_tool_keeps_the_schema_of_its_arguments(asking: Asking) -> None:
    await asking.open(tool="note", arguments={"entry": "x"})
    row = await asking.pending()
    assert row.schema_ is not None and set(row.schema_["properties"]) == {"entry", "value"}
    await asking.close(status="denied", by="ann", value={"decision": "denied", "reason": "no"})
    closed = await asking.row()
    assert closed is not None and (closed.status, closed.resolved_by, closed.reason) == ("denied", "ann", "no")


async def test_the_end_of_a_request_waits_until_it_is_written_down(asking: Asking) -> None:
    with pytest.raises(ApplicationError) as failed:
        await asking.close(status="expired")
    assert failed.value.type == "request_not_written" and not failed.value.non_retryable
    await asking.close(status="expired", attempt=10)
    await asking.open()
    await asking.close(status="expired", attempt=2)
    row = await asking.row()
    assert row is not None and row.status == "expired"


async def test_an_activity_of_another_run_does_nothing(asking: Asking) -> None:
    await asking.open(run_id="another")
    assert await asking.row() is None


async def test_a_request_whose_run_has_ended_meanwhile_is_cancelled_and_nobody_is_told(
    asking: Asking, listener: Listener
) -> None:
    await asking.cairn.client.get_workflow_handle(asking.temporal_id).terminate()
    await asking.open(notify=listener.url)
    row = await asking.row()
    assert row is not None and row.status == "cancelled"
    assert listener.heard == []


async def test_the_url_is_told_once_with_a_link_and_a_signature(asking: Asking, listener: Listener) -> None:
    settings = {"webhook_secret": SecretStr(SECRET), "public_url": "https://cairn.test/base/"}
    for _ in range(2):
        await asking.open(notify=listener.url, settings=settings, tool="note", arguments={"entry": "x"})
    ((headers, body),) = listener.heard
    assert Webhook(SECRET).verify(body, headers) == listener.last
    assert headers["webhook-id"] == asking.request_id
    told = listener.last
    assert (told["id"], told["kind"], told["prompt"], told["execution_id"]) == (
        asking.request_id,
        "approval",
        "May I?",
        "e1",
    )
    assert (told["tool_name"], told["arguments"], told["expires_at"]) == ("note", {"entry": "x"}, None)
    base, _, token = told["respond_url"].rpartition("/")
    assert base == "https://cairn.test/base/api/v1/hooks/requests"
    assert read_token(load_secret(asking.cairn.settings), token) == asking.request_id
    assert (await asking.pending()).notified_at is not None


async def test_escalating_tells_again(asking: Asking, listener: Listener) -> None:
    await asking.open(notify=listener.url, assignees=["ann"])
    for _ in range(2):
        await asking.open(notify=listener.url, assignees=["ann", "bob"], escalated=True)
    assert [json.loads(body)["assignees"] for _, body in listener.heard] == [["ann"], ["ann", "bob"]]
    assert listener.heard[1][0]["webhook-id"] == f"{asking.request_id}-escalated"
    assert "webhook-signature" not in listener.heard[0][0]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_a_url_that_fails_is_told_again_while_the_request_can_be_answered(
    asking: Asking, listener: Listener, status: int
) -> None:
    listener.status = status
    with pytest.raises(ApplicationError) as failed:
        await asking.open(notify=listener.url)
    assert failed.value.type == "notification_failed" and not failed.value.non_retryable
    row = await asking.pending()
    assert row.notify_error == f"it answered {status}" and row.notified_at is None
    listener.status = 200
    await asking.open(notify=listener.url)
    row = await asking.pending()
    assert row.notify_error is None and row.notified_at is not None


async def test_a_url_that_does_not_answer_is_told_again_but_not_for_ever(asking: Asking) -> None:
    with pytest.raises(ApplicationError):
        await asking.open(notify="http://127.0.0.1:1/", attempt=99)
    await asking.open(notify="http://127.0.0.1:1/", attempt=100)
    assert "ConnectError" in str((await asking.pending()).notify_error)


@pytest.mark.parametrize("status", [400, 404, 410, 302])
async def test_a_url_that_refuses_is_not_told_again(asking: Asking, listener: Listener, status: int) -> None:
    listener.status = status
    await asking.open(notify=listener.url)
    assert (await asking.pending()).notify_error == f"it answered {status}"
    assert len(listener.heard) == 1


@pytest.mark.parametrize("url", ["ftp://a.test/", "nonsense", "http://", "https://a.test:99999/", ""])
async def test_what_is_no_url_is_told_in_the_row(asking: Asking, url: str) -> None:
    await asking.open(notify=url)
    row = await asking.pending()
    assert (row.notify_error is not None) is bool(url)


async def test_a_private_address_is_refused(asking: Asking, listener: Listener) -> None:
    await asking.open(notify=listener.url, settings={"http_allow_private": False})
    assert "not a public address" in str((await asking.pending()).notify_error)
    assert listener.heard == []


async def test_a_request_that_was_answered_meanwhile_is_not_told_again(asking: Asking, listener: Listener) -> None:
    listener.status = 500
    with pytest.raises(ApplicationError):
        await asking.open(notify=listener.url)
    async with asking.cairn.database.transaction() as session:
        await session.execute(update(RequestRow).values(status="approved"))
    await asking.open(notify=listener.url)
    assert len(listener.heard) == 1
