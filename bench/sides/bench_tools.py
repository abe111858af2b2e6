"""The work of a step as a tool, for Cairn and for the workflow written by hand."""

from __future__ import annotations

import work as steps

from cairn.domain.tools import tool


@tool(repeatable=True)
async def bench(work: str, size: int) -> str:
    """Do the work of one step."""
    return await steps.do(work, size)
