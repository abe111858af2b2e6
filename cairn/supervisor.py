"""Runs several programs as one: one stream of their lines, restarts with back-off, one end for all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cairn.orderly import PARENT_VARIABLE

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY = 60.0
"""Seconds: a program that ran so long before it died is restarted as if for the first time."""

PATIENCE = 15.0
"""Seconds that a program has to end after SIGTERM; then it is killed."""

_LINE_LIMIT = 64 * 1024

WriteLine = Callable[[str, str], None]
"""Takes the name of a program and one of its lines."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running.

    Attributes:
        name: prefix of its lines.
        command: its command line.
        environment: variables beside the supervisor's own.
        quiet_end: leave out what it says once it was told to end.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    quiet_end: bool = False


class Supervisor:
    """Keeps programs running until it is told to stop; ends them in the reverse order of their start.

    They die with it, too, when it is killed (where the kernel can see to that): see ``cairn.orderly``.
    """

    def __init__(self, write: WriteLine) -> None:
        """Take what the lines are written with; the supervisor's own lines are named ``cairn``."""
        self._write = write
        self._keepers: list[tuple[asyncio.Task[None], asyncio.Event]] = []

    async def run_once(self, program: Program) -> int:
        """Run a program to its end and return its status; cancelled, it ends the program."""
        process, output = await self._spawn(program)
        try:
            await self._read(output, lambda line: self._write(program.name, line))
            return await process.wait()
        finally:
            await self._end(program, process)

    def keep(self, program: Program) -> None:
        """Start a program, and start it again whenever it dies."""
        stop = asyncio.Event()
        self._keepers.append((asyncio.create_task(self._keep(program, stop)), stop))

    async def stop(self) -> None:
        """End all programs, the last one first."""
        while self._keepers:
            task, stop = self._keepers.pop()
            stop.set()
            await task

    async def _keep(self, program: Program, stop: asyncio.Event) -> None:
        pause = FIRST_PAUSE
        while not stop.is_set():
            begun = time.monotonic()
            status = await self._run_until(program, stop)
            if stop.is_set():
                return
            pause = FIRST_PAUSE if time.monotonic() - begun > STEADY else pause
            self._write("cairn", f"{program.name} ended ({_say(status)}); it starts again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run_until(self, program: Program, stop: asyncio.Event) -> int:
        process, output = await self._spawn(program)

        def write(line: str) -> None:
            if not (program.quiet_end and stop.is_set()):
                self._write(program.name, line)

        reading = asyncio.create_task(self._read(output, write))
        stopping = asyncio.create_task(stop.wait())
        ending = asyncio.create_task(process.wait())
        await asyncio.wait({stopping, ending}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await self._end(program, process)
        # What it left behind may still hold the pipe: its last lines have a moment, not for ever.
        await asyncio.wait({reading}, timeout=1)
        reading.cancel()
        return await ending

    async def _spawn(self, program: Program) -> tuple[asyncio.subprocess.Process, int]:
        """Start a program; return it and the end of a pipe with its output.

        The pipe is not asyncio's: until Python 3.13, ``wait`` of a process with one waits for its end, too, and what a
        killed program leaves behind may hold it for minutes.
        """
        output, pipe = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **program.environment, PARENT_VARIABLE: str(os.getpid())},
                # Its own group: Ctrl-C reaches this process alone, which ends the programs in order.
                start_new_session=True,
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(pipe)
        return process, output

    async def _read(self, output: int, write: Callable[[str], None]) -> None:
        """Read what a program writes to the end of its output, and close that."""
        stream = asyncio.StreamReader(limit=_LINE_LIMIT)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", buffering=0)
        )
        try:
            await self._read_lines(stream, write)
        finally:
            transport.close()

    async def _read_lines(self, stream: asyncio.StreamReader, write: Callable[[str], None]) -> None:
        rest = b""
        while chunk := await stream.read(_LINE_LIMIT):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LINE_LIMIT:
                lines, rest = [*lines, rest], b""
            for line in lines:
                write(line.decode(errors="replace").rstrip("\r"))
        if rest:
            write(rest.decode(errors="replace"))

    async def _end(self, program: Program, process: asyncio.subprocess.Process) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), PATIENCE)
                return
            self._write("cairn", f"{program.name} does not end; it is killed")


def _say(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def command_of_cairn(*arguments: str) -> list[str]:
    """Return the command line that runs ``cairn`` with this interpreter."""
    return [sys.executable, "-m", "cairn", *arguments]
