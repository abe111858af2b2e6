"""The programs of an installation, each a process of its own that can be killed, frozen and started again.

They are the commands ``cairn api``, ``cairn worker`` and ``cairn temporal``, forked from a server that has imported
them already: a start takes a tenth of a second, so a minute has room for many deaths.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import pwd
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TypeVar

import psutil

from cairn import orderly
from cairn.settings import Settings

T = TypeVar("T")
Prepare = Callable[[], None]

PATIENCE = 15.0
"""Seconds that a program has to end after SIGTERM; then it is killed."""

_FOREIGN = ("CAIRN_", "OTEL_", "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["api.app", "worker", "uvicorn", "cairn.cli.app"])


async def until(condition: Callable[[], Awaitable[T] | T], seconds: float, what: str) -> T:
    """Poll until the condition holds and return its value.

    Raises:
        TimeoutError: it did not come to hold; the message says what was waited for.
    """
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for this, in vain: {what}")
        await asyncio.sleep(0.02)


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a program these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    told = settings.model_dump(mode="json", exclude_unset=True)
    for name, value in told.items():
        kept[f"CAIRN_{name.upper()}"] = value if isinstance(value, str) else _json(value)
    return {**kept, "TEMPORAL_CONFIG_FILE": os.devnull}


def _json(value: object) -> str:
    import json

    return json.dumps(value)


@dataclass
class Program:
    """A program.

    Attributes:
        name: for messages.
        arguments: of the command ``cairn``.
        environment: all of it.
        log: file that gets its output.
        prepare: called in the process before the command; has to be importable.
        starts: how often it was started.
        stops_by: signal that ends it in order.
        family: whether it has processes of its own, which are killed and frozen with it.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    prepare: Prepare | None = None
    starts: int = 0
    stops_by: int = signal.SIGTERM
    family: bool = False
    _process: ForkServerProcess | None = field(default=None, init=False)

    @property
    def alive(self) -> bool:
        """Whether it runs, or is frozen."""
        return self._process is not None and self._process.exitcode is None

    @property
    def exitcode(self) -> int | None:
        """How it ended, as ``multiprocessing`` says it; None while it runs."""
        return self._process.exitcode if self._process is not None else None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None and self._process.pid is not None, f"{self.name} was not started"
        return self._process.pid

    def start(self) -> None:
        """Start it; it must not be running."""
        assert not self.alive, f"{self.name} runs already"
        parts = (list(self.arguments), dict(self.environment), str(self.log), self.prepare)
        process = _context.Process(target=_be, args=parts, name=self.name, daemon=True)
        process.start()
        self._process = process
        self.starts += 1

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens when it has ended."""
        if self.alive:
            os.kill(self.pid, number)

    def freeze(self) -> None:
        """Stop it where it stands, with its connections open."""
        self.signal(signal.SIGSTOP)
        self._signal_below(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_below(signal.SIGCONT)
        self.signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Kill it (-9) and wait until it is gone."""
        self.signal(signal.SIGSTOP)  # so that it starts no more processes meanwhile
        below = self._signal_below(signal.SIGKILL)
        self.signal(signal.SIGKILL)
        await self.ended(PATIENCE)
        await until(lambda: not any(map(_lives, below)), PATIENCE, f"the end of what {self.name} started")

    def memory(self) -> int:
        """Return how many bytes it holds."""
        return psutil.Process(self.pid).memory_info().rss

    def _signal_below(self, number: int) -> list[psutil.Process]:
        """Send a signal to the processes that it started, if it is a family, and return them."""
        below: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.pid).children(recursive=True) if self.family and self.alive else []
        for each in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(number)
        return below

    async def ended(self, seconds: float) -> int:
        """Wait until it is gone by itself and return how it ended, as ``multiprocessing`` says it."""
        await until(lambda: not self.alive, seconds, f"the end of {self.name}")
        assert self._process is not None
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def stop(self) -> None:
        """End it in order; kill it when it does not end."""
        self.thaw()
        self.signal(self.stops_by)
        try:
            await until(lambda: not self.alive, PATIENCE, f"the end of {self.name}")
        except TimeoutError:
            await self.kill()


async def stop_all(programs: Sequence[Program]) -> None:
    """End programs in order, the last one first."""
    for program in reversed(programs):
        await program.stop()


async def listening(program: Program, port: int, seconds: float = 60) -> None:
    """Wait until the program listens on a port.

    Raises:
        TimeoutError: it does not, or it has ended.
    """

    async def connected() -> bool:
        if not program.alive:
            raise TimeoutError(f"{program.name} ended instead of listening; see {program.log}")
        return await is_listening(port)

    await until(connected, seconds, f"{program.name} listening on port {port}")


async def is_listening(port: int) -> bool:
    """Whether somebody listens on a port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _be(arguments: list[str], variables: dict[str, str], log: str, prepare: Prepare | None) -> None:
    """Become the program: in the new process."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(variables)
    _die_with_starter()
    sys.argv = ["cairn", *arguments]
    if prepare is not None:
        prepare()
    from cairn.cli.app import main

    main()


def _die_with_starter() -> None:
    """End with the process that started this one, however that ends: at once, and though this one is frozen.

    The process that this one was forked from ends when nobody holds its pipe any more, and each child is given it.
    """
    held: int = forkserver._forkserver._forkserver_alive_fd  # pyright: ignore - there is no other way to let go of it
    os.close(held)
    orderly.die_with(os.getppid(), signal.SIGKILL)


def become(command: list[str], user: int | None = None) -> None:
    """Become another program, that ends with the one that started this; of another user, if told."""
    if user is not None and user != os.geteuid():
        os.setgroups([])
        os.setgid(pwd.getpwuid(user).pw_gid)
        os.setuid(user)
        orderly.die_with(os.getppid(), signal.SIGKILL)
    os.execv(command[0], command)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
