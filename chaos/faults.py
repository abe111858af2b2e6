"""The storm: programs are killed, frozen and started again, at random but by a seed."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

from chaos.installation import Installation
from chaos.programs import Program


class Storm:
    """Hurts an installation.

    Attributes:
        over: until when it goes on, by ``time.monotonic``.
        done: what was done, by program and deed.
        fell: programs that ended by themselves, with how they ended.
    """

    def __init__(self, site: Installation, seed: int, seconds: float) -> None:
        """Make a storm of so many seconds; it begins when it is run."""
        self.site = site
        self.seconds = seconds
        self.over = time.monotonic() + seconds
        self.done: Counter[tuple[str, str]] = Counter()
        self.fell: Counter[tuple[str, int | None]] = Counter()
        self._random = random.Random(f"{seed}/storm")
        self._hurt: set[str] = set()

    @property
    def rages(self) -> bool:
        """Whether it goes on."""
        return time.monotonic() < self.over

    async def run(self) -> None:
        """Rage, then leave everything running."""
        chance = self._random
        self.over = time.monotonic() + self.seconds
        async with asyncio.TaskGroup() as tasks:
            while self.rages:
                program = self._choose()
                deed = "killed" if chance.random() < 0.6 else "frozen"
                pause, length = chance.uniform(0.4, 2.4), chance.uniform(0.1, 1.5 if deed == "killed" else 4.0)
                if program.name not in self._hurt:
                    tasks.create_task(self._strike(program, deed, length))
                await asyncio.sleep(min(pause, max(0.0, self.over - time.monotonic())))
                self._lift()
        await self.site.up()

    def _choose(self) -> Program:
        site = self.site
        kind = self._random.choices([site.workers, site.apis, [site.temporal]], [5, 4, 0.6])[0]
        return self._random.choice(kind)

    async def _strike(self, program: Program, deed: str, length: float) -> None:
        self._hurt.add(program.name)
        try:
            if deed == "killed":
                await program.kill()
            else:
                program.freeze()
            self.done[program.name, deed] += 1
            await asyncio.sleep(length)
            program.thaw()
            if not program.alive:
                program.start()
        finally:
            self._hurt.discard(program.name)

    def _lift(self) -> None:
        """Start what ended by itself, as a supervisor does."""
        for program in self.site.programs:
            if program.name not in self._hurt and not program.alive:
                self.fell[program.name, program.exitcode] += 1
                program.start()
