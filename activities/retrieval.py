"""The activity that searches what agents are given to read."""

from __future__ import annotations

from temporalio import activity

from activities.failures import node_error
from activities.guard import guard, heartbeating
from activities.llm_conversation import scope_of
from cairn.contracts.nodes import RETRIEVE, NodeCall, NodeResult
from cairn.domain.capabilities.passages import Passages
from cairn.domain.context import AgentBlocks
from cairn.errors import CairnError, Unavailable

MOST = 100
"""Passages that one search returns."""


class RetrievalActivities:
    """Searches for graphs."""

    def __init__(self, passages: Passages) -> None:
        """Take what is searched."""
        self._passages = passages

    @activity.defn(name=RETRIEVE.name)
    async def retrieve(self, call: NodeCall) -> NodeResult:
        """Return the passages that bear on a query, best first.

        Raises:
            ApplicationError: ``invalid_top_k`` (not retryable), ``unavailable`` (retryable).
        """
        guard(call)
        top_k = call.data["top_k"]
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= MOST:
            raise node_error("invalid_top_k", f"top_k has to be a number from 1 to {MOST}", retryable=False)
        async with heartbeating():
            try:
                query, named = str(call.data["query"]), (call.data["skills"], call.data["blocks"])
                blocks = AgentBlocks(str(call.data["agent"]), named[1])
                found = await self._passages.find(scope_of(call), query, named[0], blocks, top_k)
            except CairnError as error:
                raise node_error(error.code, error.message, retryable=isinstance(error, Unavailable)) from error
        return NodeResult(value=found)
