"""Links between programs: relays of TCP that can be cut, which is what the programs see of a partition."""

from __future__ import annotations

import asyncio
import contextlib

from cairn.ports import find_free

HOST = "127.0.0.1"


class Link:
    """A way from one program to another. While it is cut nothing passes, either way, and nobody is told.

    Attributes:
        name: from whom to whom.
        port: where the one reaches the other.
    """

    def __init__(self, name: str, target: int) -> None:
        """Lay it to a port of this machine; it works as soon as it is open."""
        self.name = name
        self.port = find_free()
        self._target = target
        self._passes = asyncio.Event()
        self._passes.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def close(self) -> None:
        """End all connections and take no more."""
        self.mend(lost=True)
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Let nothing pass: neither data nor the ends of connections nor new ones."""
        self._passes.clear()

    def mend(self, *, lost: bool = False) -> None:
        """Let everything pass again, and what was held back; or let the connections be ``lost``."""
        if lost:
            for writer in list(self._open):
                writer.transport.abort()
        self._passes.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                await self._relay(reader, writer)
        except asyncio.CancelledError:
            pass  # it was closed; the server's own callback would print this
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passes.wait()
        there, to_there = await asyncio.open_connection(HOST, self._target)
        self._open.add(to_there)
        pumps = [asyncio.create_task(self._pump(*way)) for way in ((reader, to_there), (there, writer))]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            self._open.discard(to_there)
            to_there.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await self._passes.wait()
            writer.write(data)
            await writer.drain()
        await self._passes.wait()
        if writer.can_write_eof():
            writer.write_eof()
