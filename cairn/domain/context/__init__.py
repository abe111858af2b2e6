"""Context blocks: the blocks that an agent's prompts have, listed, rendered, and put into its turns."""

from cairn.domain.context.model import AgentBlocks, BuiltBlock, ContextBlock, ContextBlocks, Given, LoadedBlock, Skipped
from cairn.domain.context.service import AgentContext

__all__ = [
    "AgentBlocks",
    "AgentContext",
    "BuiltBlock",
    "ContextBlock",
    "ContextBlocks",
    "Given",
    "LoadedBlock",
    "Skipped",
]
