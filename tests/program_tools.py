"""Tools of random programs: one has an effect and gives a number, one fails."""

from __future__ import annotations

import system_tools
from programs import value_of

from cairn.domain.tools.tool import ToolContext, ToolError, tool


@tool(repeatable=True)
async def give(node: str, visit: int, context: ToolContext, item: int = 0) -> int:
    """Note that a node's work was done, and return what it gives."""
    system_tools.world.ledger.append((f"{node}/{visit}/{item}", context.idempotency_key))
    return value_of(node, visit)


@tool
async def fail() -> None:
    """Fail for good."""
    raise ToolError("planned", retryable=False, code="planned")
