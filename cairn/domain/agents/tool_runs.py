"""Runs of one tool by itself: each an execution, of a graph that holds the call alone."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal

from sqlalchemy import select
from sqlmodel import col

from cairn.contracts.json import Json, JsonObject, digest
from cairn.domain.agents.compiled import edge, node
from cairn.domain.agents.model import AgentTool
from cairn.domain.agents.tools import AgentTools
from cairn.domain.conversations.rows import find_conversation
from cairn.domain.executions.ending import until_ended
from cairn.domain.executions.model import StartExecution, Status
from cairn.domain.executions.service import ExecutionService
from cairn.domain.graphs.pinned import keep_definition, published_version
from cairn.errors import FieldError, InvalidInput, NotFound, Unavailable
from cairn.graph.schema import validate_json
from cairn.persistence.repository import Repository
from cairn.persistence.tables import ExecutionRow, RequestRow

LONGEST_WAIT = 120.0
"""Seconds that a request waits for what comes of a run; the run itself goes on."""

_GRACE = 30
_BUILTIN_TIMEOUT = 60
_POLL, _LONGEST_POLL = 0.05, 1.0
_INPUT: JsonObject = {
    "type": "object",
    "required": ["arguments"],
    "properties": {"arguments": {"type": "object"}},
}


@dataclass(frozen=True, slots=True)
class ToolRun:
    """What came of a run so far.

    Attributes:
        status: ``pending_approval``: it waits for a person, who answers the approval of that id.
        error: ``{code, message}`` of a failed one.
        duration_ms: so long the caller has waited.
    """

    execution_id: str
    status: Status | Literal["pending_approval"]
    result: Json
    error: JsonObject | None
    approval_id: str | None
    duration_ms: float


class ToolRuns:
    """Runs tools for a principal."""

    def __init__(self, tools: AgentTools, executions: ExecutionService) -> None:
        """Take the tools of agents, and the executions of the same principal and session."""
        self._tools = tools
        self._executions = executions

    async def create(
        self,
        agent: str,
        tool: str,
        arguments: JsonObject,
        conversation: str | None = None,
        resource_id: str | None = None,
    ) -> ExecutionRow:
        """Insert the row of an execution that calls a tool once. After the commit it is to be started.

        Args:
            agent: whose tool.
            tool: its name.
            arguments: to call it with.
            conversation: id of the conversation that it is for; kept in the execution's metadata.
            resource_id: the id that a crashed try of the same request had taken.

        Raises:
            NotFound: the scope has no such agent or conversation, or the agent has no such tool in use.
            InvalidInput: the arguments break the tool's schema.
            Conflict: the agent is archived.
        """
        if resource_id is not None and (existing := await self._executions.find(resource_id)) is not None:
            return existing
        found = await self._tools.get(agent, tool)
        if found.known is None:
            raise NotFound("The agent has no such tool in use.", code="tool_not_found")
        broken = validate_json(found.args_schema, arguments)
        if broken:
            errors = [FieldError(f"/arguments{each.pointer}", each.message) for each in broken]
            raise InvalidInput("The arguments break the tool's schema.", errors=errors, code="invalid_arguments")
        session, scope = self._executions.session, self._executions.principal.scope
        if conversation is not None:
            await find_conversation(session, scope, conversation)
        version = await published_version(session, scope, agent)
        definition = definition_of(found)
        version = replace(version, definition=definition, digest=digest(definition))
        await keep_definition(session, scope, version)
        metadata: JsonObject = {"tool": tool, **({"conversation_id": conversation} if conversation else {})}
        command = StartExecution(agent, {"arguments": arguments}, metadata, surface="agentflow")
        return await self._executions.create(command, resource_id, version)

    async def outcome(self, row: ExecutionRow) -> ToolRun:
        """Wait until a started run has ended, or asks a person, or takes too long for a request to wait.

        When Temporal does not answer, it is ``running``: it is started, or found again, when Temporal is back.
        """
        began = perf_counter()
        temporal_id, execution_id = row.temporal_id, row.id
        await self._executions.session.commit()  # nothing is held while it runs
        ended = asyncio.ensure_future(until_ended(self._executions, temporal_id))
        asked: str | None = None
        pause = _POLL
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_WAIT):
                    while not ended.done() and asked is None:
                        await asyncio.wait([ended], timeout=pause)
                        asked = None if ended.done() else await self._asked(execution_id)
                        pause = min(2 * pause, _LONGEST_POLL)
        finally:
            ended.cancel()
        run = ToolRun(execution_id, "running", None, None, None, round((perf_counter() - began) * 1000, 3))
        try:
            now = await self._executions.get(execution_id)
        except Unavailable:
            return run
        if asked is not None and now.status == "running":
            return replace(run, status="pending_approval", approval_id=asked)
        result = None if now.output_data is None else now.output_data["result"]
        error = None if now.error is None else {name: now.error.get(name) for name in ("code", "message")}
        return replace(run, status=now.status, result=result, error=error)

    async def _asked(self, execution_id: str) -> str | None:
        """Return the id of the approval that an execution waits for."""
        session = self._executions.session
        mine = Repository(session, RequestRow).owned(self._executions.principal.scope)
        pending = col(RequestRow.execution_id) == execution_id, col(RequestRow.status) == "pending"
        found = (await session.execute(select(col(RequestRow.id)).where(*mine, *pending))).scalars().first()
        await session.commit()
        return found


def definition_of(tool: AgentTool) -> JsonObject:
    """Return the definition of the graph that calls a tool once, with the ``arguments`` of its input."""
    seconds = tool.spec.execution_timeout if tool.spec is not None else _BUILTIN_TIMEOUT
    data: JsonObject = {
        "name": tool.name,
        "tool": tool.name,
        "arguments": "input.arguments",
        "timeout": seconds + _GRACE,
    }
    if tool.approval.enabled:
        data |= {"require_approval": True, "approval_timeout": tool.approval.timeout_seconds}
        data |= {"approvers": tool.approval.approvers} if tool.approval.approvers else {}
    return {
        "nodes": [
            node("start", "start", 0, {"name": "Arguments"}),
            node("tool", "tool", 1, data),
            node("end", "end", 2, {"name": "Result", "output": {"result": "outputs.tool"}}),
        ],
        "edges": [edge("start", "tool", "asked"), edge("tool", "end", "returned")],
        "input_schema": _INPUT,
    }
