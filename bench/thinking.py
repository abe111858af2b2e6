"""A tool that takes as long as the worker's environment says, and needs no processor, as a call of a model does."""

from __future__ import annotations

import asyncio
import os

from cairn.domain.tools import tool

VARIABLE = "BENCH_THINKING_SECONDS"


@tool
async def think() -> str:
    """Wait, as for a model's answer."""
    if seconds := float(os.environ.get(VARIABLE, "0")):
        await asyncio.sleep(seconds)
    return "thought"
