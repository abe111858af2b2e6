"""The driver's end of a side: its process, what it can do, and what it leaves on the disk."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import psycopg

from sides.stored import PostgresqlStore, Store
from sides.talk import Job

TIMEOUT = 900.0
AWAKES = 1.0
"""Seconds in which a server that stood still has done what was due meanwhile."""

ARRIVES = 0.05
"""Seconds in which a database has begun what it was asked for last."""

HALTS = 30.0
"""Seconds after which a server that cannot be halted between two transactions is an error."""

LOOKS = 5.0
"""Seconds between two looks at whether the servers of a side that does a job are there."""


class Failed(RuntimeError):
    """A side did not do a job."""


class Gone(Failed):
    """A side can do no more jobs: a server of its own has ended."""


@dataclass
class Side:
    """One system in one mode.

    Attributes:
        name: shown to readers.
        command: of its process.
        environment: of its process, beside the driver's own.
        log: file of its stderr.
        stores: where its executions are stored.
        works: kinds of work that it can do.
        needs: servers of its own; once one of them has ended, it does nothing any more.
        server: pid of what works for this side alone, and also when nothing is asked of it.
        others: sides whose servers stand still while this one is measured.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    stores: Sequence[Store] = ()
    works: frozenset[str] = frozenset({"produce", "think", "ask"})
    needs: Sequence[subprocess.Popen[bytes]] = ()
    server: int | None = None
    others: Sequence[Side] = ()
    process: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """Start its process."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                env={**os.environ, **self.environment},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=2**24,
            )

    async def close(self) -> None:
        """End its process, by closing the pipe and if need be by force; its server goes on, so that it can be ended."""
        self.wake()
        process, self.process = self.process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def run(self, job: Job, at_once: int = 1) -> float:
        """Run executions; return the seconds that all took.

        Raises:
            Failed: it did not do it, or not in time.
        """
        return (await self._ask(job, at_once))["seconds"]

    async def travel(self, job: Job) -> dict[str, float]:
        """Run one execution and go back to before its last step; return the seconds by way, none if there is none.

        Raises:
            Failed: it did not do it, or not in time.
        """
        return await self._ask(job, 0)

    def halt(self) -> None:
        """Have its server stand still, between two transactions: with one open, no rewrite leaves out what is dead.

        Raises:
            Failed: it is always in one.
        """
        deadline = time.monotonic() + HALTS
        while running := [each for each in self._served_by() if each.status() != psutil.STATUS_STOPPED]:
            for process in running:
                process.suspend()
            time.sleep(ARRIVES)
            if not any(isinstance(store, PostgresqlStore) and store.held() for store in self.stores):
                return
            self.wake()
            if time.monotonic() > deadline:
                raise Failed(f"{self.name}: its server has been in a transaction for {HALTS:.0f} s")
            time.sleep(random.uniform(0.01, 0.1))

    def wake(self) -> bool:
        """Have its server go on; return whether it stood still."""
        halted = [each for each in self._served_by() if each.status() == psutil.STATUS_STOPPED]
        for process in halted:
            process.resume()
        return bool(halted)

    def _served_by(self) -> list[psutil.Process]:
        if self.server is None or not psutil.pid_exists(self.server):
            return []
        server = psutil.Process(self.server)
        return [server, *server.children(recursive=True)]

    async def _ask(self, job: Job, at_once: int) -> dict[str, float]:
        for other in self.others:
            other.halt()
        if self.wake():
            await asyncio.sleep(AWAKES)
        process = self.process
        assert process is not None and process.stdin is not None and process.stdout is not None
        self._served()
        process.stdin.write(json.dumps({**asdict(job), "at_once": at_once}).encode() + b"\n")
        try:
            line = await self._answer(process.stdout)
        except TimeoutError:
            await self._anew()
            raise Failed(f"{self.name}: no answer within {TIMEOUT:.0f} s") from None
        if not line:
            await self._anew()
            raise Failed(f"{self.name}: its process ended; its log ends so: {last_line(self.log)}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{self.name}: {answer['error']}")
        return answer

    async def _answer(self, stdout: asyncio.StreamReader) -> bytes:
        """Return the line that it answers, none at its end.

        Raises:
            TimeoutError: it does not answer in time.
            Gone: it never will.
        """
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                return await asyncio.wait_for(stdout.readline(), min(LOOKS, TIMEOUT))
            except TimeoutError:
                self._served()
                if time.monotonic() > deadline:
                    raise

    async def _anew(self) -> None:
        """Start its process anew: what the one before still answers would be taken for the answer to the next job."""
        await self.close()
        await self.open()

    def _served(self) -> None:
        for server in self.needs:
            if server.poll() is not None:
                raise Gone(f"{self.name}: its server ended with status {server.returncode}")

    def stored(self) -> int:
        """Return the bytes that its stores hold now; 0 where none is known.

        Raises:
            Failed: that cannot be told.
        """
        return sum(self.stored_in().values())

    def stored_in(self) -> Counter[str]:
        """Return these bytes by the tables and files that hold them.

        Raises:
            Failed: that cannot be told.
        """
        self.wake()  # tables are made compact, which waits for the end of each transaction on them
        found: Counter[str] = Counter()
        try:
            for store in self.stores:
                found.update(store.bytes())
        except (RuntimeError, OSError, psycopg.Error, subprocess.SubprocessError) as error:
            raise Failed(f"{self.name}: what it stores cannot be told: {error}") from error
        return found


def last_line(log: Path) -> str:
    """Return the last line of a log, by which a program that has ended says why."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
