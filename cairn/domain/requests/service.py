"""What callers can do with approvals and questions: see them, answer them, take them back."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn import errors
from cairn.contracts.executions import UPDATE_ANSWER, Answer, Phase
from cairn.contracts.requests import RequestKind
from cairn.domain.principal import Principal
from cairn.domain.requests.link import read_token
from cairn.domain.requests.model import (
    Reply,
    Request,
    RequestFilter,
    is_late,
    is_open,
    is_overdue,
    resolve,
    shown,
    surely_past,
)
from cairn.graph.schema import validate_json
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository
from cairn.persistence.tables import ApiKeyRow, RequestRow
from cairn.persistence.types import utc_now
from cairn.temporal.executions import ExecutionClient

LINK = "link"
"""Name of whoever answers through a request's link."""


class RequestService:
    """Requests of one principal's tenant, within one session."""

    def __init__(self, session: AsyncSession, temporal: ExecutionClient, principal: Principal) -> None:
        """Take the request's session and principal."""
        self.session = session
        self.temporal = temporal
        self.principal = principal
        self.rows = Repository(session, RequestRow)

    async def list_pending(
        self, kind: RequestKind, which: RequestFilter, page: int, page_size: int, anchor: int | None = None
    ) -> Page[Request]:
        """Return a page of the requests that wait for a person, newest first.

        Args:
            kind: approvals or questions.
            which: conditions.
            page: from 1.
            page_size: requests a page.
            anchor: the first page's; keeps what was asked since then from shifting the others.
        """
        found = await self.rows.page(
            self.principal.scope,
            *waiting(kind),
            *_conditions(which),
            key=RequestRow.key,
            page=page,
            page_size=page_size,
            anchor=anchor,
        )
        return found.map(shown)

    async def get(self, kind: RequestKind, request_id: str) -> Request:
        """Return a request.

        Raises:
            NotFound: this tenant has no such request of this kind.
        """
        return shown(await self._require(kind, request_id))

    async def answer(self, kind: RequestKind, request_id: str, reply: Reply, key: str | None = None) -> Request:
        """Tell the execution what a person says, and write it down.

        The caller has committed: nothing is locked while the execution is told.

        Args:
            kind: approval or question.
            request_id: the request.
            reply: what is said.
            key: the same key is carried out once.

        Raises:
            NotFound: no such request.
            Forbidden: others are to answer.
            InvalidInput: the answer breaks the schema.
            Conflict: it is answered or cancelled already, or its execution has ended.
            Gone: it has expired.
            Unavailable: Temporal or the worker does not answer.
        """
        row = await self._require(kind, request_id)
        await self._allow(row)
        _check(row, reply)
        await self.session.commit()  # nothing was written: the connection is free while Temporal is asked
        if row.status == "pending" or not await self._said_before(row, key):
            await self._tell(row, reply, key)
        fresh = await self.rows.get(self.principal.scope, col(RequestRow.id) == row.id, lock=True)
        assert fresh is not None
        # The execution tells the same, and may have been quicker; to it, what is taken back is denied.
        if is_open(fresh) or (reply.status == "cancelled" and fresh.status == "denied"):
            resolve(fresh, reply.status, self.principal.author, reply.value(self.principal.author))
        return shown(fresh)

    async def cancel(self, request_id: str) -> Request:
        """Take an approval back; the execution sees it denied. A cancelled one stays as it is."""
        row = await self._require("approval", request_id)
        if row.status == "cancelled":
            return shown(row)
        taken_back = Reply("cancelled", reason="The request was cancelled")
        # A try that could not tell has denied it to the execution, whose own word of that is not somebody else's.
        return await self.answer("approval", request_id, taken_back, key=f"{request_id}/cancel")

    async def expire_overdue(self) -> int:
        """Mark the approvals whose time is over; return how many. Their executions go on by themselves."""
        overdue = [
            *self.rows.owned(self.principal.scope),
            col(RequestRow.kind) == "approval",
            col(RequestRow.status) == "pending",
            col(RequestRow.expires_at) <= surely_past(),
        ]
        query = update(RequestRow).where(*overdue).values(status="expired", resolved_at=utc_now())
        return len((await self.session.execute(query.returning(col(RequestRow.key)))).all())

    async def _require(self, kind: RequestKind, request_id: str) -> RequestRow:
        named = (col(RequestRow.id) == request_id, col(RequestRow.kind) == kind)
        row = await self.rows.get(self.principal.scope, *named)
        if row is None:
            raise errors.NotFound(f"No {kind} {request_id!r}", code=f"{kind}_not_found")
        return row

    async def _allow(self, row: RequestRow) -> None:
        if not row.assignees or self.principal.key_id == LINK or self.principal.user_id in row.assignees:
            return
        key = await self.session.get(ApiKeyRow, self.principal.key_id)
        if key is None or not key.name or key.name not in row.assignees:
            raise errors.Forbidden("This request is for others to answer", code="not_an_assignee")

    async def _tell(self, row: RequestRow, reply: Reply, key: str | None) -> None:
        """Tell the execution. Whether that is too late it says itself, unless it surely is."""
        if not is_overdue(row):
            try:
                return await self._send(row, reply, key)
            except errors.Conflict as error:
                if error.code != "request_expired" and not is_late(row):
                    raise
        raise errors.Gone("The request has expired", code="request_expired")

    async def _send(self, row: RequestRow, reply: Reply, key: str | None) -> None:
        now = await self.temporal.describe(row.temporal_id)
        if now is None or now.phase not in (Phase.RUNNING, Phase.PAUSED):
            if now is not None and key is not None and await self.temporal.carried_out(now, key):
                return
            raise errors.Conflict("The execution has ended", code="execution_closed")
        by = self.principal.author
        told = Answer(lineage=now.run_id, request_id=row.id, value=reply.value(by), by=by)
        await self.temporal.command(now, UPDATE_ANSWER, told, update_id=key)

    async def _said_before(self, row: RequestRow, key: str | None) -> bool:
        """Whether this very request has closed it, in a try that could not tell.

        Raises:
            Conflict: somebody else has.
            Gone: it has expired.
        """
        now = await self.temporal.describe(row.temporal_id) if key else None
        if now is not None and key is not None and await self.temporal.carried_out(now, key):
            return True
        if row.status == "expired":
            raise errors.Gone("The request has expired", code="request_expired")
        raise errors.Conflict(f"The request is {row.status} already", code="request_resolved")


async def by_link(
    session: AsyncSession, temporal: ExecutionClient, secret: bytes, token: str
) -> tuple[RequestService, Request]:
    """Return a service that may answer the request which a link's token names, and the request.

    Raises:
        NotFound: no such link.
        Gone: its time is over.
    """
    # Not by tenant: the token is what says whose the request is.
    named = select(RequestRow).where(col(RequestRow.id) == read_token(secret, token))
    row = (await session.execute(named)).scalar_one_or_none()
    if row is None:
        raise errors.NotFound("No such link", code="link_not_found")
    holder = Principal(row.tenant, row.live, frozenset(), LINK, "human", LINK)
    return RequestService(session, temporal, holder), shown(row)


def waiting(kind: RequestKind) -> list[ColumnElement[bool]]:
    """Return the conditions for what still waits for a person."""
    in_time = or_(col(RequestRow.expires_at).is_(None), col(RequestRow.expires_at) > surely_past())
    return [col(RequestRow.kind) == kind, col(RequestRow.status) == "pending", in_time]


def _conditions(which: RequestFilter) -> list[ColumnElement[bool]]:
    given = {
        RequestRow.execution_id: which.execution_id,
        RequestRow.tool_name: which.tool_name,
        RequestRow.agent_id: which.agent_id,
    }
    return [col(column) == value for column, value in given.items() if value is not None]


def _check(row: RequestRow, reply: Reply) -> None:
    """Refuse an answer of another form than was asked for.

    Raises:
        InvalidInput: with one error a value.
    """
    found: list[errors.FieldError] = []
    if reply.status == "answered" and row.schema_ is not None:
        found = [errors.FieldError(f"/answer{e.pointer}", e.message) for e in validate_json(row.schema_, reply.answer)]
    elif reply.modified_arguments is not None:
        found = _check_arguments(row, reply)
    if found:
        raise errors.InvalidInput("The answer is not what was asked for", errors=found)


def _check_arguments(row: RequestRow, reply: Reply) -> list[errors.FieldError]:
    pointer = "/modified_arguments"
    if reply.status != "approved":
        return [errors.FieldError(pointer, "only what is approved can be modified")]
    if row.tool_id is None:
        return [errors.FieldError(pointer, "the approval is not for a tool's call: it has no arguments")]
    broken = validate_json(row.schema_, reply.modified_arguments) if row.schema_ else []
    return [errors.FieldError(f"{pointer}{e.pointer}", e.message) for e in broken]
