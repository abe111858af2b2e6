"""Context blocks: what an agent's turns are given besides what is said."""

from __future__ import annotations

from fastapi import APIRouter

from api.agentflow.deps import ContextOfAgents
from api.agentflow.schemas.context import BuildContext, BuiltContext, ContextBlockList, LoadedContext, PreloadContext
from api.kit.auth import may
from api.kit.deps import Agents
from api.kit.paging import PageNumber, PageSize
from api.kit.route import SurfaceRoute
from cairn.domain.context import AgentBlocks

router = APIRouter(prefix="/api/v1/agent/{agent_id}/context", tags=["context blocks"], route_class=SurfaceRoute)
READ, READ_AGENTS, RUN = may("prompts:read"), may("agents:read"), may("agents:run")


@router.get("/blocks", dependencies=[READ, READ_AGENTS])
async def list_context_blocks(
    agent_id: str, agents: Agents, context: ContextOfAgents, page: PageNumber = 1, page_size: PageSize = 20
) -> ContextBlockList:
    """List the blocks that the agent's turns have, as prompts have them: by order, then name.

    They are those that `prompt_blocks` and `context_blocks` of its configuration name; under `skipped` the names whose
    block there is not, is not enabled, or is for other agents.
    """
    blocks = AgentBlocks(agent_id, (await agents.get(agent_id)).config.blocks)
    return ContextBlockList.of(await context.list(blocks), page, page_size)


@router.post("/blocks/build", dependencies=[READ, READ_AGENTS])
async def build_context_blocks(
    agent_id: str, agents: Agents, context: ContextOfAgents, body: BuildContext | None = None
) -> BuiltContext:
    """Render blocks as the next turn would have them: what is kept from there, and what is in the conversation already.

    With `blocks` those alone, enabled or not, also such as the configuration does not name.
    """
    asked = body or BuildContext()
    blocks = AgentBlocks(agent_id, (await agents.get(agent_id)).config.blocks)
    return BuiltContext.of(await context.build(blocks, asked.blocks, asked.conversation_id, asked.variables))


@router.post("/preload", dependencies=[RUN])
async def preload_context(
    agent_id: str, agents: Agents, context: ContextOfAgents, body: PreloadContext | None = None
) -> LoadedContext:
    """Render the agent's blocks that are kept, or those that are named, so that a turn finds them ready."""
    asked = body or PreloadContext()
    blocks = AgentBlocks(agent_id, (await agents.get(agent_id)).config.blocks)
    return LoadedContext.of(await context.preload(blocks, asked.blocks, asked.conversation_id))
