"""Requests that are sent again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from cairn.domain.idempotency import LEASE, LIFETIME, Claim, IdempotencyStore, StoredReply, is_kept
from cairn.domain.principal import Principal
from cairn.errors import BadRequest, Conflict, InvalidInput
from cairn.persistence.session import Database
from cairn.persistence.tables import GraphRow, IdempotencyRow
from cairn.persistence.types import utc_now

ADA = Principal("acme", True, frozenset("*"), "ada", "human", "key-ada")
BOB = Principal("acme", True, frozenset("*"), "bob", "human", "key-bob")
REPLY = (201, {"content-type": "application/json"}, b'{"id": "e1"}')


async def send(
    database: Database,
    *,
    body: str = "body",
    key: str = "k",
    who: Principal = ADA,
    path: str = "/executions",
    method: str = "POST",
) -> Claim | StoredReply:
    """Begin a request in a transaction of its own, as the row that it makes."""
    async with database.transaction() as session:
        store = IdempotencyStore(session)
        begun = await store.begin(who, method, path, key, body)
        if isinstance(begun, Claim):
            session.add(GraphRow(tenant="acme", uuid=begun.owner, name="made"))
            if begun.resource_id is None:
                await store.attach(begun, "e1")
        return begun


async def finish(database: Database, claim: Claim, status: int = 201) -> None:
    async with database.transaction() as session:
        await IdempotencyStore(session).finish(claim, status, REPLY[1], REPLY[2])


async def lose_the_lease(database: Database) -> None:
    """What ten seconds without a sign of life do."""
    async with database.transaction() as session:
        await session.execute(update(IdempotencyRow).values(locked_until=utc_now() - timedelta(seconds=1)))


async def count(database: Database, table: type = IdempotencyRow) -> int:
    async with database.session() as session:
        return len((await session.execute(select(table))).all())


def claimed(begun: Claim | StoredReply) -> Claim:
    assert isinstance(begun, Claim)
    return begun


async def test_the_same_request_gets_the_stored_reply(database: Database) -> None:
    await finish(database, claimed(await send(database)))
    assert await send(database) == StoredReply(*REPLY)
    assert await count(database, GraphRow) == 1


async def test_row_and_reply_can_be_stored_in_one_transaction(database: Database) -> None:
    async with database.transaction() as session:
        store = IdempotencyStore(session)
        claim = claimed(await store.begin(ADA, "POST", "/x", "k", "body"))
        await store.attach(claim, "e1")
        await store.finish(claim, *REPLY)
    assert await send(database, path="/x") == StoredReply(*REPLY)


async def test_another_body_is_refused_in_flight_and_afterwards(database: Database) -> None:
    claim = claimed(await send(database))
    for _ in range(2):
        with pytest.raises(InvalidInput) as refused:
            await send(database, body="other")
        assert refused.value.code == "idempotency_key_reused"
        await finish(database, claim)


async def test_in_flight_is_a_conflict(database: Database) -> None:
    await send(database)
    with pytest.raises(Conflict) as refused:
        await send(database)
    assert refused.value.code == "idempotency_in_flight"


async def test_key_method_path_and_caller_make_the_record(database: Database) -> None:
    await send(database)
    for other in ({"key": "k2"}, {"method": "PUT"}, {"path": "/x"}, {"who": BOB}):
        assert claimed(await send(database, **other)).resource_id == "e1"
    await send(database, path="/" + "x" * 8000)


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\nb", "a\x00b"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_malformed_key_is_refused(database: Database, key: str) -> None:
    with pytest.raises(BadRequest):
        await send(database, key=key)


async def test_an_error_before_the_commit_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            await IdempotencyStore(session).begin(ADA, "POST", "/executions", "k", "body")
            raise RuntimeError
    assert await count(database) == 0
    claimed(await send(database))


@pytest.mark.parametrize(
    ("status", "kept"),
    [(200, True), (201, True), (404, True), (409, True)]
    + [(status, False) for status in (400, 401, 403, 413, 422, 429, 500, 503)],
)
def test_which_replies_are_kept(status: int, kept: bool) -> None:
    assert is_kept(status) is kept


async def test_a_reply_whose_transaction_was_rolled_back_is_kept(database: Database) -> None:
    """A 404 or 409: the handler raised, its transaction is gone and the record with it; the reply counts."""
    async with database.session() as session:
        claim = claimed(await IdempotencyStore(session).begin(ADA, "POST", "/executions", "k", "body"))
    assert await count(database) == 0
    await finish(database, claim, 409)
    assert await send(database) == StoredReply(409, REPLY[1], REPLY[2])


async def test_a_reply_that_is_not_kept_lets_the_request_be_tried_again(database: Database) -> None:
    async with database.transaction() as session:
        claim = claimed(await IdempotencyStore(session).begin(ADA, "POST", "/executions", "k", "body"))
    await finish(database, claim, 503)
    assert await count(database) == 0


async def test_a_failure_after_the_commit_is_tried_again_with_the_same_resource(database: Database) -> None:
    await finish(database, claimed(await send(database)), 503)
    again = claimed(await send(database))
    assert again.resource_id == "e1"
    with pytest.raises(Conflict):
        await send(database)
    await finish(database, again)
    assert await send(database) == StoredReply(*REPLY)


async def test_a_retry_after_a_crash_goes_on_with_the_resource(database: Database) -> None:
    dead = claimed(await send(database))
    await lose_the_lease(database)
    again = claimed(await send(database))
    assert (again.resource_id, again.owner != dead.owner) == ("e1", True)
    # The first was only slow: it can neither keep nor finish what is no longer its own.
    async with database.transaction() as session:
        store = IdempotencyStore(session)
        assert not await store.renew(dead)
        with pytest.raises(Conflict, match="in flight"):
            await store.finish(dead, 200, {}, b"late")
        await store.forget(dead)
    await finish(database, again)
    assert await send(database) == StoredReply(*REPLY)
    async with database.transaction() as session:
        assert await IdempotencyStore(session).finish(dead, 200, {}, b"late") == StoredReply(*REPLY)


async def test_signs_of_life_keep_the_lease(database: Database) -> None:
    claim = claimed(await send(database))
    await lose_the_lease(database)
    async with database.transaction() as session:
        assert await IdempotencyStore(session).renew(claim)
    with pytest.raises(Conflict):
        await send(database)
    async with database.session() as session:
        until = (await session.execute(select(col(IdempotencyRow.locked_until)))).scalar_one()
    assert utc_now() + LEASE / 2 < until <= utc_now() + LEASE


async def test_after_a_day_the_key_is_free(database: Database) -> None:
    await finish(database, claimed(await send(database)))
    async with database.transaction() as session:
        await session.execute(update(IdempotencyRow).values(created_at=utc_now() - LIFETIME))
    assert claimed(await send(database, body="other")).resource_id == "e1"
    assert await count(database) == 1
    await send(database, key="new")
    async with database.transaction() as session:
        await session.execute(
            update(IdempotencyRow)
            .where(col(IdempotencyRow.idempotency_key) == "k")
            .values(created_at=utc_now() - LIFETIME)
        )
        assert await IdempotencyStore(session).purge() == 1
    assert await count(database) == 1


@pytest.mark.parametrize("crashed", [False, True])
async def test_of_many_at_once_one_is_done(database: Database, crashed: bool) -> None:
    if crashed:
        await send(database)
        await lose_the_lease(database)
    results = await asyncio.gather(*(send(database) for _ in range(12)), return_exceptions=True)
    claims = [result for result in results if isinstance(result, Claim)]
    assert len(claims) == 1
    assert all(isinstance(result, (Claim, Conflict)) for result in results), results
    assert await count(database, GraphRow) == 1 + crashed
