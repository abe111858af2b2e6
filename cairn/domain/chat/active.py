"""What runs for a tenant, and stopping it: turns of agents and all other executions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, cast

from sqlalchemy import ColumnElement, select
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.conversations.turns import SURFACE, conversation_of
from cairn.domain.executions.service import ExecutionService
from cairn.errors import CairnError, Conflict
from cairn.persistence.json_filter import member_is
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository
from cairn.persistence.tables import AgentRow, ExecutionRow

OPEN = ("pending", "running", "paused")
Kind = Literal["turn", "subagent", "tool", "execution"]

_AT_ONCE = 100
Conditions: TypeAlias = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Active:
    """Something that runs, or waits.

    Attributes:
        kind: turn: of an agent; subagent: of a sub-agent, by itself or for an agent that has called it; tool: one call
            of an agent's tool; execution: of any other graph.
        agent_id: of the agent whose graph it runs; None for graphs that are no agent's.
    """

    execution_id: str
    kind: Kind
    status: str
    agent_id: str | None
    conversation_id: str | None
    message_id: str | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Which of them are meant; all given conditions hold."""

    agent_id: str | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What came of cancelling everything: how many were, and why others were not."""

    number: int
    failed: list[JsonObject]


class ActiveCalls:
    """What runs for a principal's tenant."""

    def __init__(self, executions: ExecutionService) -> None:
        """Take the executions."""
        self._executions = executions

    async def list(self, which: Narrowed, page: int, page_size: int, anchor: int | None = None) -> Page[Active]:
        """Return a page of what runs, newest first; of children the agents that turns have called."""
        service = self._executions
        found = await service.rows.page(
            service.principal.scope,
            *self._open(which, subagents=True),
            key=ExecutionRow.key,
            page=page,
            page_size=page_size,
            anchor=anchor,
        )
        parents = await self._agents([each.workflow_uuid for each in found.items])
        return found.map(lambda row: _active(row, parents))

    async def cancel(self, execution_id: str, key: str | None = None, *, background: bool = False) -> str:
        """Cancel an execution, and return what it is then.

        Args:
            execution_id: the execution.
            key: the same key is carried out once.
            background: refuse a turn.

        Raises:
            NotFound: no such execution.
            Conflict: it has ended (``execution_closed``), or is a turn (``not_a_background_task``).
            Unavailable: Temporal or the worker does not answer.
        """
        row = await self._executions.require(execution_id)
        if background and _is_turn(row):
            raise Conflict("This is a turn of a conversation, no task.", code="not_a_background_task")
        return (await self._executions.cancel(execution_id, key=key)).status

    async def cancel_all(self, which: Narrowed) -> Cancelled:
        """Cancel all that runs; what ends meanwhile is neither cancelled nor failed."""
        service, number, after = self._executions, 0, 0
        failed: list[JsonObject] = []
        while rows := await self._after(which, after):
            after = rows[-1][0] or 0
            for _, execution_id in rows:
                try:
                    await service.cancel(execution_id)
                    number += 1
                except CairnError as error:
                    if error.code != "execution_closed":
                        told: JsonObject = {"call_id": execution_id, "code": error.code, "message": error.message}
                        failed.append(told)
        return Cancelled(number, failed)

    async def _after(self, which: Narrowed, key: int) -> Sequence[tuple[int | None, str]]:
        """Return number and id of the next ones; only values, as each that is cancelled ends the transaction."""
        service = self._executions
        query = service.rows.select(service.principal.scope, *self._open(which), col(ExecutionRow.key) > key)
        found = await service.session.execute(query.order_by(col(ExecutionRow.key)).limit(_AT_ONCE))
        return [(row.key, row.id) for row in found.scalars()]

    def _open(self, which: Narrowed, *, subagents: bool = False) -> Sequence[ColumnElement[bool]]:
        """Return what holds of what runs by itself, and with ``subagents`` of those that agents have called."""
        top = col(ExecutionRow.parent_execution_id).is_(None)
        called = col(ExecutionRow.parent_index).is_not(None) & col(ExecutionRow.parent_map_id).is_(None)
        conditions: Conditions = [col(ExecutionRow.status).in_(OPEN), top | called if subagents else top]
        if which.agent_id is not None:
            conditions.append(col(ExecutionRow.workflow_uuid) == which.agent_id)
        if which.conversation_id is not None:
            conditions.append(member_is(col(ExecutionRow.metadata_), "conversation_id", which.conversation_id))
        return conditions

    async def _agents(self, graphs: Sequence[str]) -> dict[str, int | None]:
        """Return the agents among graphs, each with the number of the one that it was made under."""
        service = self._executions
        own = Repository(service.session, AgentRow).owned(service.principal.scope)
        query = select(col(AgentRow.uuid), col(AgentRow.parent_id)).where(*own, col(AgentRow.uuid).in_(graphs))
        return {row.uuid: row.parent_id for row in await service.session.execute(query)}


def _active(row: ExecutionRow, agents: dict[str, int | None]) -> Active:
    return Active(
        execution_id=row.id,
        kind=_kind(row, agents),
        status="running" if row.status == "pending" else row.status,
        agent_id=row.workflow_uuid if row.workflow_uuid in agents else None,
        conversation_id=conversation_of(row),
        message_id=row.metadata_.get("message_id") if _is_turn(row) else None,
        started_at=row.created_at,
    )


def _kind(row: ExecutionRow, agents: dict[str, int | None]) -> Kind:
    if row.parent_execution_id is not None:
        return "subagent"
    if _is_turn(row):
        return "subagent" if agents.get(row.workflow_uuid) is not None else "turn"
    return "tool" if row.surface == SURFACE and "tool" in row.metadata_ else "execution"


def _is_turn(row: ExecutionRow) -> bool:
    return conversation_of(row) is not None and "conversation" in _members(row)


def _members(row: ExecutionRow) -> JsonObject:
    return cast("JsonObject", row.input_data) if isinstance(row.input_data, dict) else {}
