"""Does a POST that carries an ``Idempotency-Key`` once, however often it is sent."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Header, Request
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from api.kit.unit_of_work import UnitOfWork
from cairn.domain.idempotency import LEASE, Claim, IdempotencyStore, StoredReply, is_kept
from cairn.domain.principal import Principal
from cairn.errors import CairnError
from cairn.observability import get_logger
from cairn.persistence.session import Database

HEADER = "Idempotency-Key"
_KEPT_HEADERS = ("content-type", "location")
_log = get_logger("cairn.api")


async def idempotency_key(
    key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            min_length=1,
            max_length=255,
            pattern=r"^[\x20-\x7E]+$",
            description=(
                "Any text of the caller's choice. The same request with the same key within 24 hours is done once: "
                "the stored reply comes back with `Idempotent-Replayed: true`. Another body is a 422, "
                "a request that is still in flight a 409."
            ),
        ),
    ] = None,
) -> str | None:
    """Document the header; the route class reads it."""
    return key


async def once(
    request: Request,
    database: Database,
    principal: Principal,
    handle: Callable[[Request], Awaitable[Response]],
    refuse: Callable[[Request, Exception], Response],
) -> Response:
    """Do the request, or give the reply that it got before.

    The claim, the request's rows and its reply are written in one transaction, unless the handler commits before an
    effect: then the claim is committed with the rows, and the reply follows.
    """
    async with database.session() as session:
        store = IdempotencyStore(session)
        path: str = request.scope["path"]
        claim = await store.begin(principal, request.method, path, request.headers[HEADER], await _digest(request))
        if isinstance(claim, StoredReply):
            return _again(claim)
        request.state.unit = unit = UnitOfWork(session, claim)
        async with _sign_of_life(database, claim, unit):
            try:
                made = await handle(request)
                response = await _finish(store, claim, made)
                # Where another try's reply stands, nothing stands beside it that this one has written.
                await (session.commit() if response is made else session.rollback())
            except Exception as error:
                await session.rollback()
                response = await _after_error(database, claim, functools.partial(refuse, request), error)
        return response


def _again(reply: StoredReply) -> Response:
    return Response(reply.body, reply.status, {**reply.headers, "Idempotent-Replayed": "true"})


async def _digest(request: Request) -> str:
    return hashlib.sha256(request.url.query.encode() + b"\n" + await request.body()).hexdigest()


async def _finish(store: IdempotencyStore, claim: Claim, response: Response) -> Response:
    """Keep the response, or forget the request; return what is to be answered: perhaps what another try has kept."""
    # With a Retry-After it is meant to be sent again; sent again, a stream attaches to the resource that it made.
    if "retry-after" in response.headers or isinstance(response, EventSourceResponse):
        await store.forget(claim)
        return response
    kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    other = await store.finish(claim, response.status_code, kept, bytes(response.body))
    return response if other is None else _again(other)


async def _after_error(
    database: Database, claim: Claim, refuse: Callable[[Exception], Response], error: Exception
) -> Response:
    """Keep the refusal, or give the claim back; when that fails too, the claim's lease runs out by itself."""
    response = refuse(error)
    try:
        async with database.transaction() as session:
            return await _finish(IdempotencyStore(session), claim, response)
    except CairnError as failed:
        _log.warning("idempotency record was not closed", exc_info=True)
        # What would be kept and is not may be another answer the next time: it has to be asked for again.
        return refuse(failed) if is_kept(response.status_code) else response


@asynccontextmanager
async def _sign_of_life(database: Database, claim: Claim, unit: UnitOfWork) -> AsyncGenerator[None]:
    """Renew the claim while the request is worked on; before the first commit nobody else can see it."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            if unit.committed:
                try:
                    async with database.transaction() as session:
                        await IdempotencyStore(session).renew(claim)
                except CairnError:
                    _log.warning("idempotency claim was not renewed", exc_info=True)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
