"""The one transaction of a request. Services write in it and never commit; effects follow the commit."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from cairn.domain.idempotency import Claim, IdempotencyStore


class UnitOfWork:
    """A session, and the claim on the idempotency key that the request came with, if any.

    The route class opens it and commits at the end; a handler commits by itself only before an effect.

    Attributes:
        session: for the services.
        committed: whether a handler committed, so that others see the claim.
        again: whether an earlier try of the same request came as far as a commit that named a resource.
    """

    def __init__(self, session: AsyncSession, claim: Claim | None = None) -> None:
        self.session = session
        self.committed = False
        self.again = claim is not None and claim.resource_id is not None
        self._claim = claim

    @property
    def alone(self) -> bool:
        """Whether nothing is kept of this request but what its handler writes: no claim."""
        return self._claim is None

    @property
    def resource_id(self) -> str | None:
        """What an earlier try of the same request made, when its process died before it could answer."""
        return self._claim.resource_id if self._claim else None

    @property
    def operation_key(self) -> str | None:
        """Names this request over all its tries; None when it came without an idempotency key."""
        return self._claim.record if self._claim else None

    async def commit(self, *, resource_id: str | None = None) -> None:
        """Commit before an effect; ``resource_id`` is kept in the same transaction for a retry after a crash."""
        if self._claim is not None and resource_id is not None:
            await IdempotencyStore(self.session).attach(self._claim, resource_id)
        await self.session.commit()
        self.committed = True


async def unit_of_work(request: Request) -> UnitOfWork:
    """Return the request's unit of work."""
    unit: UnitOfWork = request.state.unit
    return unit


Unit = Annotated[UnitOfWork, Depends(unit_of_work)]
