"""The tools of a storm, with a bug: what ``spend`` does, it does twice."""

from __future__ import annotations

from cairn.domain.tools import ToolContext, tool
from chaos.ledger import Ledger
from chaos.tools import hold, refuse, stumble, take_back

__all__ = ["hold", "refuse", "spend", "stumble", "take_back"]


@tool
async def spend(name: str, context: ToolContext, seconds: float = 0.0) -> dict[str, str]:
    """Have an effect, and have it again."""
    del seconds
    for what in ("call", "effect", "effect"):
        Ledger.of_environment().write(what, name, context.idempotency_key, context.execution_id, context.attempt)
    return {"name": name, "key": context.idempotency_key}
