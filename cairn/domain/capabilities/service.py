"""Runs of capabilities: each an execution, of a graph that does this alone."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TypeAlias, cast

from cairn.contracts.json import JsonObject, digest
from cairn.domain.agents.config import AgentConfig
from cairn.domain.agents.service import AgentService
from cairn.domain.capabilities.graphs import (
    USE_CASE,
    plan_graph,
    plan_input,
    reflection_graph,
    reflection_input,
    retrieval_graph,
)
from cairn.domain.capabilities.model import Capability, Outcome, PlanAsked, ReflectionAsked, RetrievalAsked
from cairn.domain.executions.ending import until_ended
from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.service import ExecutionService
from cairn.domain.graphs.pinned import keep_definition, published_version
from cairn.domain.llm import LlmConfigService
from cairn.errors import BadGateway, Conflict, NotFound, Unavailable
from cairn.persistence.tables import ExecutionRow
from cairn.temporal.direct_calls import model_failure

LONGEST_WAIT = 120.0
"""Seconds that a request waits for what comes of it; the execution itself goes on."""

Asked: TypeAlias = RetrievalAsked | PlanAsked | ReflectionAsked


class Capabilities:
    """Has agents retrieve, plan and reflect for a principal, within one session; commits nothing."""

    def __init__(self, agents: AgentService, executions: ExecutionService, configs: LlmConfigService) -> None:
        """Take the agents, what runs them, and what says which models may be asked, of one session."""
        self._agents = agents
        self._executions = executions
        self._configs = configs

    async def create(self, agent: str, asked: Asked, resource_id: str | None = None) -> ExecutionRow:
        """Insert the row of the execution that does it. After the commit it is to be started.

        Args:
            agent: whose capability.
            asked: what is asked of it.
            resource_id: the id that a crashed try of the same request had taken.

        Raises:
            NotFound: the scope has no such agent, or no such knowledge base (``knowledge_base_not_found``).
            Conflict: the agent is archived.
            CairnError: the model cannot be asked (see ``cairn.domain.llm.policy.choose``), or the budget is used up.
        """
        if resource_id is not None and (existing := await self._executions.find(resource_id)) is not None:
            return existing
        found = await self._agents.get(agent)
        capability, definition, given = await self._prepared(found.config, asked)
        session, scope = self._executions.session, self._executions.principal.scope
        version = await published_version(session, scope, found.id)
        version = replace(version, definition=definition, digest=digest(definition))
        await keep_definition(session, scope, version)
        command = StartExecution(found.id, given, {"capability": capability}, surface="agentflow")
        return await self._executions.create(command, resource_id, version)

    async def outcome(self, row: ExecutionRow) -> Outcome:
        """Wait for the end of a started execution, and return what came of it.

        Raises:
            Unavailable: it takes longer (``capability_running``), or Temporal does not answer.
            Conflict: it was cancelled (``capability_cancelled``).
            BadGateway: it failed; ``code`` says how.
        """
        execution_id, temporal_id = row.id, row.temporal_id
        await self._executions.session.commit()  # nothing is held while it runs
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_WAIT):
                await until_ended(self._executions, temporal_id)
        now = await self._executions.get(execution_id)
        named = {"execution_id": execution_id}
        if now.status == "completed" and isinstance(now.output_data, dict):
            return Outcome(execution_id, cast("JsonObject", now.output_data))
        if now.status == "failed":
            error = now.error or {}
            failure = model_failure(str(error.get("code")), str(error.get("message")))
            raise BadGateway(failure.message, code=failure.code, extra=named)  # for good, however it failed
        if now.status == "cancelled":
            raise Conflict("The execution was cancelled.", code="capability_cancelled", extra=named)
        message = "The execution goes on. Read it, or send the same request with its Idempotency-Key again."
        raise Unavailable(message, code="capability_running", retry_after=1, extra=named)

    async def _prepared(self, config: AgentConfig, asked: Asked) -> tuple[Capability, JsonObject, JsonObject]:
        """Return what is done, the graph that does it, and its input."""
        if isinstance(asked, RetrievalAsked):
            if asked.knowledge_bases:
                # This installation keeps none.
                message = f"No such knowledge base: {asked.knowledge_bases[0]!r}."
                raise NotFound(message, code="knowledge_base_not_found")
            return "retrieve", retrieval_graph(config), {"query": asked.query, "top_k": asked.top_k}
        await self._configs.choose(USE_CASE, config.model)
        if isinstance(asked, PlanAsked):
            tools = [each for each in await self._agents.shown_tools(config.tools, config) if each.known is not None]
            return "plan", plan_graph(config, tools), plan_input(asked)
        return "reflect", reflection_graph(config), reflection_input(asked)
