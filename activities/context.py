"""The activity that renders what an agent's turn is given besides what is said."""

from __future__ import annotations

from temporalio import activity

from activities.failures import node_error
from activities.guard import guard, heartbeating
from activities.llm_conversation import scope_of, turn_of
from activities.patience import patiently
from cairn.contracts.nodes import BUILD_CONTEXT, NodeCall, NodeResult
from cairn.domain.context import AgentBlocks, AgentContext, Given
from cairn.domain.skills import SkillLibrary
from cairn.domain.skills.reading import told
from cairn.domain.tokens import count_tokens
from cairn.domain.tools import ToolRegistry
from cairn.errors import CairnError, InvalidInput, Unavailable
from cairn.persistence.session import Database


class ContextActivities:
    """Renders context blocks for turns."""

    def __init__(self, database: Database, tools: ToolRegistry, skills: SkillLibrary) -> None:
        """Take where blocks are kept, the tools of the installation, of which there is a block, and its skills."""
        self._database = database
        self._skills = skills
        self._tools = tools

    @activity.defn(name=BUILD_CONTEXT.name)
    async def build_context(self, call: NodeCall) -> NodeResult:
        """Render the blocks that a node names; what is put into a conversation once is kept there.

        Raises:
            ApplicationError: ``invalid_context``: a block cannot be rendered with these variables;
                ``context_too_large``, ``conversation_not_found``; ``unavailable`` (retryable).
        """
        guard(call)
        async with heartbeating():
            try:
                given = await patiently(lambda: self._given(call))
            except CairnError as error:
                code = "invalid_context" if error.code == InvalidInput.code else error.code
                raise node_error(code, error.message, retryable=isinstance(error, Unavailable)) from error
        skills = (await self._skills.assigned(call.data.get("skills") or [])).skills
        blocks = [
            {"name": each.name, "message": each.message, "tokens": each.tokens, "cached": each.cached}
            for each in given.blocks
        ]
        offered = told(skills)
        tokens = sum(each.tokens for each in given.blocks) + (count_tokens(offered) if offered else 0)
        system = "\n\n".join(each for each in (given.system, offered) if each)
        # Both stand before something else in a prompt, when there is anything.
        texts = {"system": system, "user": f"{given.user}\n\n" if given.user else ""}
        return NodeResult(
            value={**texts, "blocks": blocks, "skills": [each.about.name for each in skills], "tokens": tokens}
        )

    async def _given(self, call: NodeCall) -> Given:
        turn, scope = turn_of(call), scope_of(call)
        agent = AgentBlocks(str(call.data["agent"]), call.data["blocks"])
        async with self._database.transaction() as session:
            context = AgentContext(session, scope, self._tools)
            return await context.give(agent, turn.id if turn is not None else None, call.data["variables"])
