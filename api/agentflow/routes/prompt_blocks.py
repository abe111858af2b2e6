"""Prompt blocks: named pieces of prompts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from api.agentflow.conventions import Error
from api.agentflow.deps import PromptBlocks, Renderer
from api.agentflow.schemas.prompt_blocks import (
    ChangePromptBlock,
    CreatePromptBlock,
    Invalidated,
    Preview,
    PreviewPromptBlock,
    PromptBlock,
    PromptBlockList,
)
from api.kit.auth import may
from api.kit.links import makes
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute
from cairn.domain import prompt_blocks as domain
from cairn.domain.prompt_blocks import BlockFilter, RenderFor
from cairn.domain.prompt_blocks.model import BlockType

router = APIRouter(prefix="/api/v1/prompt-blocks", tags=["prompt blocks"], route_class=SurfaceRoute)
READ, WRITE = may("prompts:read"), may("prompts:write")
_TAKEN = "There is a block of this name."
_NO_BODY = "A dynamic block has no body to change."
_NOTHING_CHANGED = "Nothing has been changed of the dynamic block."
Text = Annotated[str | None, Query(min_length=1, max_length=255)]


def _conflict(description: str) -> dict[int | str, dict[str, Any]]:
    return {409: {"model": Error, "description": description}}


async def block_filter(tag: Text = None, agent: Text = None, type: BlockType | None = None) -> BlockFilter:
    """Return what the query asks for; all filters hold at once."""
    return BlockFilter(tag, agent, type)


Filtered = Annotated[BlockFilter, Depends(block_filter)]


@router.get("", dependencies=[READ])
async def list_prompt_blocks(blocks: PromptBlocks, which: Filtered, paged: Paged) -> PromptBlockList:
    """List the tenant's own blocks and those of the installation, as prompts have them: by order, then name.

    `agent` finds those that an agent may be given: those that are for it, and those for all.
    """
    return PromptBlockList.of(await blocks.list(which, paged.page, paged.page_size, paged.anchor))


@router.post(
    "",
    status_code=201,
    response_model=PromptBlock,
    dependencies=[WRITE],
    responses=_conflict(_TAKEN),
    openapi_extra=makes("block_name", "name"),
)
async def create_prompt_block(body: CreatePromptBlock, blocks: PromptBlocks) -> domain.PromptBlock:
    """Make a static block: a template that is rendered with the variables of a turn."""
    return await blocks.create(body.name, body.body, body.settings())


@router.get("/{block_name}", response_model=PromptBlock, dependencies=[READ])
async def get_prompt_block(block_name: str, blocks: PromptBlocks) -> domain.PromptBlock:
    """Read a block, a static one with its body."""
    return await blocks.get(block_name)


@router.patch("/{block_name}", response_model=PromptBlock, dependencies=[WRITE], responses=_conflict(_NO_BODY))
async def change_prompt_block(block_name: str, body: ChangePromptBlock, blocks: PromptBlocks) -> domain.PromptBlock:
    """Change a static block, or how a dynamic one is used. What was cached of it is forgotten."""
    return await blocks.update(block_name, body.settings(), body.body or None)


@router.delete("/{block_name}", status_code=204, dependencies=[WRITE], responses=_conflict(_NOTHING_CHANGED))
async def delete_prompt_block(block_name: str, blocks: PromptBlocks) -> None:
    """Delete a static block, or set a dynamic one back to what it is by itself."""
    await blocks.delete(block_name)


@router.post("/{block_name}/preview", response_model=Preview, dependencies=[READ])
async def preview_prompt_block(
    block_name: str, renderer: Renderer, request: Request, body: PreviewPromptBlock | None = None
) -> domain.Rendered:
    """Render a block as a prompt would have it: a cached one from the cache, whether it is enabled or not."""
    body = body or PreviewPromptBlock()
    asked = RenderFor(request.state.principal.user_id, body.conversation_id, body.variables)
    return await renderer.render(block_name, asked)


@router.post("/{block_name}/invalidate-cache", dependencies=[WRITE])
async def invalidate_prompt_block_cache(block_name: str, renderer: Renderer) -> Invalidated:
    """Forget what a block was rendered to, in all conversations, and say how many outputs that were."""
    return Invalidated(invalidated=await renderer.invalidate(block_name))
