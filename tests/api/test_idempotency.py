"""A POST with an Idempotency-Key after the process that worked on it died."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
from served import Caller, Callers, served
from sqlalchemy import func, select, update
from sqlmodel import col

import api.kit.idempotency
import cairn.domain.idempotency.store
from api.kit.unit_of_work import UnitOfWork
from cairn.contracts.json import JsonObject
from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.service import ExecutionService
from cairn.domain.idempotency import IdempotencyStore
from cairn.domain.keys import authenticate, load_secret
from cairn.persistence.tables import IdempotencyRow
from cairn.persistence.types import utc_now

PATH = "/api/v1/executions"
KEY = {"Idempotency-Key": "k"}


class Died:
    """A process that took a request, did a part of it, and was killed."""

    def __init__(self, installation: Cairn, caller: Caller, body: bytes) -> None:
        self.cairn, self.caller, self.body = installation, caller, body

    async def after_writing_the_row(self, workflow_id: str) -> str:
        """Write claim and row in one transaction, as a request does, and start nothing."""
        async with self.cairn.database.transaction() as session:
            secret = load_secret(self.cairn.settings)
            principal = await authenticate(await session.connection(), secret, self.caller.key)
            store = IdempotencyStore(session)
            digest = hashlib.sha256(b"\n" + self.body).hexdigest()
            claim = await store.begin(principal, "POST", PATH, KEY["Idempotency-Key"], digest)
            service = ExecutionService(session, self.cairn.temporal, principal, self.cairn.settings)
            row = await service.create(StartExecution(workflow_id, {}))
            await store.attach(claim, row.id)
        return row.id

    async def lease_over(self) -> None:
        async with self.cairn.database.transaction() as session:
            await session.execute(update(IdempotencyRow).values(locked_until=utc_now() - timedelta(seconds=1)))


async def test_the_same_request_goes_on_with_the_row_of_the_dead_process(lasting: Cairn, caller: Caller, world) -> None:
    workflow = await caller.publish(sequence(noting("a")))
    body = json.dumps({"workflow_id": workflow["uuid"]}).encode()
    died = Died(lasting, caller, body)
    execution_id = await died.after_writing_the_row(workflow["uuid"])
    send = {"content": body, "headers": {**KEY, "Content-Type": "application/json"}}
    assert (await caller.http.post(PATH, **send)).status_code == 409  # it might be alive
    await died.lease_over()
    reply = await caller.http.post(PATH, **send)
    assert (reply.status_code, reply.json()["id"]) == (201, execution_id)
    again = await caller.http.post(PATH, **send)
    assert again.headers["Idempotent-Replayed"] == "true" and again.json()["id"] == execution_id
    await caller.reach(execution_id, "completed")
    assert (await caller.http.get(PATH)).json()["total"] == 1
    assert world.of(execution_id) == ["a"]


async def test_a_request_keeps_its_claim_as_long_as_it_works(
    idle_cairn: Cairn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a worker a command waits four seconds; a lease of one second must be renewed meanwhile."""
    for module in (api.kit.idempotency, cairn.domain.idempotency.store):
        monkeypatch.setattr(module, "LEASE", timedelta(seconds=1))
    async with served(idle_cairn.settings) as url:
        callers = Callers(url, idle_cairn.database, idle_cairn.settings)
        caller = await callers.new()
        execution = await caller.start(sequence(noting("a")))
        path = f"{PATH}/{execution['id']}/pause"
        first = asyncio.create_task(caller.http.post(path, headers=KEY))
        await until(lambda: claims(idle_cairn))
        while not first.done():
            second = await caller.http.post(path, headers=KEY)
            if not first.done():
                assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
            await asyncio.wait({first}, timeout=0.2)
        assert (first.result().status_code, first.result().json()["code"]) == (503, "worker_unavailable")
        assert await claims(idle_cairn) == 0  # what could not be served may be tried again at once
        await callers.close()


def too_slow(monkeypatch: pytest.MonkeyPatch, installation: Cairn, path: str, taken: JsonObject) -> None:
    """Have another try take requests to a path over, when they have committed what they began with."""
    commit = UnitOfWork.commit

    async def commit_and_lose(unit: UnitOfWork, **given) -> None:
        first = not unit.committed
        await commit(unit, **given)
        if first:
            async with installation.database.transaction() as session:
                await session.execute(update(IdempotencyRow).where(col(IdempotencyRow.path) == path).values(**taken))

    monkeypatch.setattr(UnitOfWork, "commit", commit_and_lose)


@pytest.mark.parametrize(("done", "status"), [(True, 200), (False, 409)])
@pytest.mark.parametrize("ended", [False, True], ids=["done", "refused"])
async def test_a_request_that_another_try_has_taken_over_is_answered_as_that_one(
    lasting: Cairn, caller: Caller, world, monkeypatch: pytest.MonkeyPatch, ended: bool, done: bool, status: int
) -> None:
    execution = await caller.start(sequence(noting("a") if ended else waiting("a")))
    if ended:
        await caller.reach(execution["id"], "completed")
    path = f"{PATH}/{execution['id']}/pause"
    taken = {"owner": "another", "locked_until": utc_now() + timedelta(hours=1)}
    if done:
        reply = {"headers": {"content-type": "application/json"}, "body": b'{"by": "another"}'}
        taken |= {"state": "done", "status_code": 200, **reply}
    too_slow(monkeypatch, lasting, path, taken)
    answer = await caller.http.post(path, headers=KEY)
    assert answer.status_code == status
    assert answer.json() == {"by": "another"} if done else answer.json()["code"] == "idempotency_in_flight"


@pytest.mark.parametrize("done", [True, False])
async def test_a_try_that_was_too_slow_makes_nothing_beside_the_one_that_has_taken_over(
    lasting: Cairn, caller: Caller, world, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """As when a process stands still between the look at what it forks and the row of the fork."""
    execution = await caller.start(sequence(noting("a")))
    checkpoint = (await caller.reach(execution["id"], "completed"))["checkpoints"][0]["id"]
    path = f"{PATH}/{execution['id']}/fork"
    taken = {"owner": "another", "locked_until": utc_now() + timedelta(hours=1), "resource_id": "exec_of_the_other"}
    if done:
        reply = {"headers": {"content-type": "application/json"}, "body": b'{"id": "exec_of_the_other"}'}
        taken |= {"state": "done", "status_code": 201, **reply}
    too_slow(monkeypatch, lasting, path, taken)
    send = {"json": {"checkpoint_id": checkpoint}, "headers": KEY}
    answer = await caller.http.post(path, **send)
    assert (answer.status_code, answer.json()["code"]) == (
        409,
        "idempotency_in_flight",
    ) and "Retry-After" in answer.headers
    again = await caller.http.post(path, **send)
    assert again.json() == {"id": "exec_of_the_other"} if done else again.status_code == 409
    assert (await caller.http.get(PATH)).json()["total"] == 1


async def test_a_try_that_was_too_slow_writes_nothing_beside_the_reply_of_the_other(
    lasting: Cairn, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a process stands still while a model writes."""
    path = "/api/v1/workflow/create/template"
    reply = {"status_code": 200, "headers": {"content-type": "application/json"}, "body": b'{"by": "another"}'}
    taken = {"owner": "another", "state": "done", **reply}
    too_slow(monkeypatch, lasting, path, taken)
    body = {"name": "Pizza", "template_description": "Take orders of a pizzeria by phone."}
    answer = await caller.http.post(path, json=body, headers=KEY)
    assert (answer.status_code, answer.json()) == (200, {"by": "another"}), answer.text
    listed = await caller.http.get("/api/v1/workflow/fetch")
    assert "Pizza" not in listed.text


async def claims(installation: Cairn) -> int:
    async with installation.database.session() as session:
        return (await session.execute(select(func.count()).select_from(IdempotencyRow))).scalar_one()


async def test_replies_that_are_kept_and_those_that_are_not(caller: Caller, world) -> None:
    execution = await caller.start(sequence(waiting("a")))
    path = f"{PATH}/{execution['id']}"
    for name in ("pause", "resume", "cancel"):
        first = await caller.http.post(f"{path}/{name}", headers=KEY)
        again = await caller.http.post(f"{path}/{name}", headers=KEY)
        assert first.status_code == 200
        assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    missing = [await caller.http.post(f"{PATH}/unknown/pause", headers=KEY) for _ in range(2)]
    assert [reply.status_code for reply in missing] == [404, 404]
    assert missing[1].headers["Idempotent-Replayed"] == "true"
    invalid = [await caller.http.post(f"{path}/replay", json={}, headers=KEY) for _ in range(2)]
    assert [reply.status_code for reply in invalid] == [422, 422]
    assert "Idempotent-Replayed" not in invalid[1].headers
    other = await caller.http.post(f"{path}/pause", json={"expected_revision": 1}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
