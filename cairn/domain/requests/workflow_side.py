"""What executions ask of the domain: to write down a request, and that it is over."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.contracts.requests import CloseRequest, OpenRequest
from cairn.domain.conversations.turns import conversation_of
from cairn.domain.requests.model import is_open, resolve
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ExecutionRow, RequestRow
from cairn.persistence.types import utc_now


async def open_request(session: AsyncSession, asked: OpenRequest, arguments_schema: JsonObject | None) -> RequestRow:
    """Write the request down, once however often this is tried; return its row, which may be closed already.

    Args:
        session: in a transaction.
        asked: the request; an escalated one brings further assignees, and its URL is to be told again.
        arguments_schema: of the tool that is to be called.
    """
    row = await _locked(session, asked.request_id)
    if row is None:
        row = await _inserted(session, asked, arguments_schema)
    if asked.escalated and not row.escalated and row.status == "pending":
        row.escalated, row.assignees, row.expires_at = True, asked.assignees, asked.expires_at
        row.notified_at = row.notify_error = None
    return row


async def close_request(session: AsyncSession, closed: CloseRequest) -> bool:
    """Write down how a request ended, unless that is known already; return False when there is no such request."""
    row = await _locked(session, closed.request_id)
    if row is not None and is_open(row):
        resolve(row, closed.status, closed.by, closed.value)
    return row is not None


async def cancel_requests(session: AsyncSession, temporal_id: str, keep: str | None = None) -> None:
    """Cancel the pending requests of an execution that has ended or was reset.

    Args:
        session: in a transaction.
        temporal_id: Temporal workflow id of the execution.
        keep: the line whose requests stay; None for none.
    """
    pending = [col(RequestRow.temporal_id) == temporal_id, col(RequestRow.status) == "pending"]
    if keep is not None:
        pending.append(col(RequestRow.lineage) != keep)
    query = update(RequestRow).where(*pending).values(status="cancelled", resolved_at=utc_now())
    await session.execute(query.execution_options(synchronize_session=False))


async def cancel_request(session: AsyncSession, request_id: str) -> None:
    """Cancel a request unless it is over."""
    pending = [col(RequestRow.id) == request_id, col(RequestRow.status) == "pending"]
    await session.execute(update(RequestRow).where(*pending).values(status="cancelled", resolved_at=utc_now()))


async def note_notification(
    session: AsyncSession, request_id: str, notified_at: datetime | None, error: str | None
) -> None:
    """Write down that the request's URL was told, or why it could not be."""
    told = update(RequestRow).where(col(RequestRow.id) == request_id)
    await session.execute(told.values(notified_at=notified_at, notify_error=error))


async def _locked(session: AsyncSession, request_id: str) -> RequestRow | None:
    """Return the row as it is now. Not by tenant: the execution itself asks."""
    query = select(RequestRow).where(col(RequestRow.id) == request_id).with_for_update()
    return (await session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def _conversation(session: AsyncSession, asked: OpenRequest) -> str | None:
    """Return the conversation of the execution that a caller has started: a sub-agent may ask within its turn."""
    execution_id, rows = asked.execution_id, Repository(session, ExecutionRow)
    while (row := await rows.get(Scope(asked.tenant, asked.live), col(ExecutionRow.id) == execution_id)) is not None:
        if row.parent_execution_id is None:
            return conversation_of(row)
        execution_id = row.parent_execution_id
    return None


async def _inserted(session: AsyncSession, asked: OpenRequest, arguments_schema: JsonObject | None) -> RequestRow:
    graph = select(col(ExecutionRow.workflow_uuid)).where(col(ExecutionRow.temporal_id) == asked.temporal_id)
    row = RequestRow(
        id=asked.request_id,
        tenant=asked.tenant,
        live=asked.live,
        kind=asked.kind,
        execution_id=asked.execution_id,
        temporal_id=asked.temporal_id,
        run_id=asked.run_id,
        lineage=asked.lineage,
        node_id=asked.node_id,
        visit=asked.visit,
        prompt=asked.prompt,
        tool_id=asked.tool,
        tool_name=asked.tool,
        agent_id=(await session.execute(graph)).scalar_one_or_none(),
        conversation_id=await _conversation(session, asked),
        arguments=asked.arguments,
        schema_=asked.schema_ if asked.kind == "question" else arguments_schema,
        assignees=asked.assignees,
        escalated=asked.escalated,
        notify=asked.notify,
        expires_at=asked.expires_at,
    )
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:  # another try of the same activity was quicker
        found = await _locked(session, asked.request_id)
        assert found is not None
        return found
    return row
