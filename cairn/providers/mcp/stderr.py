"""What a stdio server writes to its standard error: lines of this process's log, without the server's secrets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import TextIO

from cairn.observability import get_logger
from cairn.observability.redaction import HIDDEN, finding

_LONGEST = 64 * 1024
"""Bytes of a line."""
_PATIENCE = 1.0
"""Seconds for the last words of a program that has ended; what it has started may hold on to the pipe."""

_log = get_logger("cairn.mcp")


@asynccontextmanager
async def logged(program: str, secrets: Collection[str]) -> AsyncGenerator[TextIO]:
    """Give a file for the standard error of a program, whose lines go to the log.

    Args:
        program: which it is, for those who read the log.
        secrets: to be hidden.
    """
    source, target = os.pipe()
    reader = asyncio.StreamReader(limit=_LONGEST)
    with os.fdopen(source, "rb", buffering=0) as pipe, os.fdopen(target, "w") as given:
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        telling = asyncio.create_task(_tell(reader, program, secrets))
        try:
            yield given
        finally:
            given.close()
            try:
                await asyncio.wait([telling], timeout=_PATIENCE)
            finally:
                transport.close()
                await telling


async def _tell(reader: asyncio.StreamReader, program: str, secrets: Collection[str]) -> None:
    found = finding(secrets)
    async for line in _lines(reader):
        _log.info("MCP server wrote", program=program, line=line if found is None else found.sub(HIDDEN, line))


async def _lines(reader: asyncio.StreamReader) -> AsyncGenerator[str]:
    """Yield lines; of one that is too long no part, for that could hold a part of a secret."""
    whole, ended = True, False
    while not ended:
        try:
            line = await reader.readuntil()
        except asyncio.LimitOverrunError as error:
            await reader.readexactly(error.consumed)
            whole = False
            continue
        except asyncio.IncompleteReadError as error:
            line, ended = error.partial, True
        text = line.decode(errors="replace").rstrip() if whole else f"(more than {_LONGEST} bytes)"
        whole = True
        if text:
            yield text
