"""Tools of the tests: a ledger of outside effects, and tools that wait, fail or beat on command."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from temporalio import activity

from cairn.domain.tools.tool import ToolContext, ToolError, tool


@dataclass
class World:
    """The outside world of the tests: effects by idempotency key, and what is to happen next."""

    ledger: list[tuple[str, str]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    waiting: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    def of(self, execution_id: str) -> list[str]:
        """Return the entries of one execution, in their order."""
        return [what for what, key in self.ledger if key.startswith(f"{execution_id}/")]

    def effects(self, entry: str) -> list[str]:
        return [key for what, key in self.ledger if what == entry]


world = World()
_held: list[asyncio.Event] = []


def let_go() -> None:
    """Open every gate at which somebody waits: a worker that stops would wait ten seconds for whoever does."""
    world.gates.clear()
    for gate in [*_held]:
        gate.set()


@tool
async def note(entry: str, context: ToolContext, value: int | None = None) -> dict:
    """Write an entry into the ledger."""
    if entry in world.failing:
        raise ToolError(f"{entry} is failing", retryable=False, code="planned")
    world.ledger.append((entry, context.idempotency_key))
    return {"entry": entry, "value": value}


@tool(repeatable=True)
async def tally(entry: str, context: ToolContext) -> int:
    """Write an entry into the ledger, once for its idempotency key; return which try it was."""
    if (entry, context.idempotency_key) not in world.ledger:
        world.ledger.append((entry, context.idempotency_key))
    if entry in world.failing and context.attempt == 1:
        raise ToolError(f"{entry} is failing", code="planned")
    return context.attempt


@tool
async def wait_at(gate: str, context: ToolContext) -> str:
    """Wait until the test opens the gate."""
    world.waiting[gate] += 1
    opened = world.gate(gate)
    _held.append(opened)
    try:
        await opened.wait()
    except asyncio.CancelledError:
        world.cancelled[gate] += 1
        raise
    finally:
        _held.remove(opened)
    world.ledger.append((gate, context.idempotency_key))
    return gate


@tool
async def large(kilobytes: int) -> dict:
    """Return a large value."""
    return {"text": "x" * (kilobytes * 1024)}


@tool
async def own_priority() -> dict:
    """Return the priority of the activity that runs this, as a worker is told it."""
    priority = activity.info().priority
    return {"key": priority.priority_key, "fairness": priority.fairness_key, "weight": priority.fairness_weight}
