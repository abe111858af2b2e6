"""The tools of the graphs that are run here: each leaves its traces in the ledger."""

from __future__ import annotations

import asyncio

from temporalio import activity

from cairn.domain.tools import ToolContext, ToolError, tool
from chaos.ledger import Entry, Ledger


@tool
async def spend(name: str, context: ToolContext, seconds: float = 0.0) -> dict[str, str]:
    """Take some time, and have an effect in the middle of it, so that a death after it is likely to be tried."""
    _write("call", name, context)
    await asyncio.sleep(seconds / 2)
    done = _effect(name, context)
    await asyncio.sleep(seconds / 2)
    return done


@tool
async def hold(name: str, gate: str, context: ToolContext) -> dict[str, str]:
    """Wait until the gate is open, then have an effect."""
    _write("call", name, context)
    while not Ledger.of_environment().is_open(gate):  # noqa: ASYNC110 - another process opens it
        await asyncio.sleep(0.02)
    return _effect(name, context)


@tool
async def stumble(name: str, times: int, context: ToolContext) -> dict[str, str]:
    """Fail so many times in a way that may be tried again, then have an effect."""
    _write("call", name, context)
    if context.attempt <= times:
        raise ToolError(f"{name} stumbled", code="stumbled")
    return _effect(name, context)


@tool
async def refuse(name: str, gate: str, context: ToolContext) -> dict[str, str]:
    """Fail for good as long as the gate is shut; with it open, have an effect."""
    _write("call", name, context)
    if not Ledger.of_environment().is_open(gate):
        raise ToolError(f"{name} was refused", retryable=False, code="refused")
    return _effect(name, context)


@tool
async def take_back(key: str, context: ToolContext) -> None:
    """Undo the effect that was done under a key."""
    _write("undo", key, context)


def _effect(name: str, context: ToolContext) -> dict[str, str]:
    """Have the effect, or what was done under this key before; return its name and its key."""
    done = _write("effect", name, context)
    return {"name": done.name, "key": done.key}


def _write(what: str, name: str, context: ToolContext) -> Entry:
    info = activity.info()
    command = f"{info.workflow_run_id}/{info.activity_id}"
    told = (context.idempotency_key, context.execution_id, context.attempt, command)
    return Ledger.of_environment().write(what, name, *told)
