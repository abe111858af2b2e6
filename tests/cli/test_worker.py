"""``cairn worker``: what one does that is started before Temporal is."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

import worker as program
from cairn.errors import Unavailable
from cairn.ports import find_free
from cairn.settings import Settings
from chaos.links import Link

WAITS = b"Temporal does not answer yet"
pytestmark = pytest.mark.timeout(180)


@asynccontextmanager
async def started(environment: dict[str, str], port: int) -> AsyncIterator[Process]:
    command = (sys.executable, "-m", "cairn", "worker", "--json")
    own = {**environment, "CAIRN_TEMPORAL_PORT": str(port)}
    process = await create_subprocess_exec(*command, env=own, stdout=PIPE, stderr=STDOUT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: Process, text: bytes) -> None:
    """Read on until a line has the text."""
    assert process.stdout is not None
    before = b""
    while text not in (line := await process.stdout.readline()):
        before += line
        assert line, f"it ended before that: {before.decode()}"


async def test_it_waits_for_temporal_and_then_serves(
    environment: dict[str, str], temporal_port: int, task_queue: str
) -> None:
    link = Link("worker - temporal", temporal_port)
    async with started({**environment, "CAIRN_TASK_QUEUE": task_queue}, link.port) as worker:
        await said(worker, WAITS)
        await said(worker, WAITS)
        await link.open()
        await said(worker, b"worker serves")
        worker.send_signal(signal.SIGTERM)
        assert await worker.wait() == 0
    await link.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_waiting(environment: dict[str, str], number: signal.Signals) -> None:
    async with started(environment, find_free()) as worker:
        await said(worker, WAITS)
        worker.send_signal(number)
        rest, _ = await worker.communicate()
        assert worker.returncode == 0 and b"Traceback" not in rest


async def test_a_signal_ends_the_waiting_for_one_that_takes_connections_and_is_silent(
    environment: dict[str, str],
) -> None:
    came = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with started(environment, server.sockets[0].getsockname()[1]) as worker:
        await came.wait()
        worker.send_signal(signal.SIGTERM)
        rest, _ = await worker.communicate()
        assert worker.returncode == 0 and b"Traceback" not in rest
    server.close()


@pytest.mark.parametrize("away", ["refuses", "is silent"])
async def test_after_a_while_it_ends_and_says_why_in_a_line(environment: dict[str, str], away: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = find_free() if away == "refuses" else silent.getsockname()[1]
        async with started({**environment, "CAIRN_TEMPORAL_PATIENCE": "3"}, port) as worker:
            output, _ = await worker.communicate()
    assert worker.returncode == 1
    assert b"Traceback" not in output
    assert b"Temporal did not answer for 3 s" in output.splitlines()[-1]


async def test_it_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate, a name or an address that is wrong will not get better by waiting: who reads it has to see it."""
    once = program._Program._serve

    async def try_once(worker: program._Program) -> None:
        if worker.away == program._SILENT:
            await once(worker)
        worker.start.reschedule(asyncio.get_running_loop().time())  # its patience is at an end
        await asyncio.Event().wait()

    monkeypatch.setattr(program, "_PAUSE", 0.0)
    monkeypatch.setattr(program._Program, "_serve", try_once)
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{find_free()}")
    with pytest.raises(Unavailable, match=r"did not answer for 120 s: .*tcp connect error"):
        await program.serve(Settings())


async def test_a_signal_is_heeded_also_when_the_worker_ends_by_an_error_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the SDK's does that is cancelled while it asks for its namespace: its own error takes the place of that."""
    begun, handlers = asyncio.Event(), dict[int, Callable[[], None]]()

    async def serving(_: object) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            handlers[signal.SIGTERM]()  # once more, by somebody who is impatient
            raise RuntimeError("Worker validation failed") from None

    monkeypatch.setattr(program._Program, "_serve", serving)
    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", handlers.__setitem__)
    async with asyncio.timeout(30):
        running = asyncio.create_task(program.serve(Settings()))
        await begun.wait()
        handlers[signal.SIGTERM]()
        await running
