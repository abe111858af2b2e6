"""Prompt blocks: named pieces of prompts, of a tenant's own text or made by what the installation knows."""

from cairn.domain.prompt_blocks.cache import RenderCache, purge_renders
from cairn.domain.prompt_blocks.model import BlockFilter, PromptBlock
from cairn.domain.prompt_blocks.rendering import BlockRenderer, Rendered, RenderFor
from cairn.domain.prompt_blocks.service import PromptBlockService

__all__ = [
    "BlockFilter",
    "BlockRenderer",
    "PromptBlock",
    "PromptBlockService",
    "RenderCache",
    "RenderFor",
    "Rendered",
    "purge_renders",
]
