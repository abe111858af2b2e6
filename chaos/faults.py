"""The storm: faults that befall programs, links, clocks and the disk, at random but by a seed."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chaos.installation import Installation
from chaos.programs import Program

FROZEN = 20.0
"""Seconds for which a program is frozen now and then: longer than most others wait."""

_STEP = 60.0
"""Seconds by which a clock is wrong at most."""

_WEIGHTS = {"worker": 5.0, "api": 4.0, "temporal": 0.6, "postgresql": 0.8}

Deed = Callable[[], Awaitable[object] | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong for a while.

    Attributes:
        target: what is hurt; one fault at a time.
        deed: what befalls it.
        weight: how likely it is beside the others.
        longest: seconds that it lasts at most.
        begin: lets it go wrong.
        end: puts it right.
        also: seconds that it lasts in one case of eight, if that is longer.
    """

    target: str
    deed: str
    weight: float
    longest: float
    begin: Deed
    end: Deed
    also: float = 0.0


class Storm:
    """Hurts an installation.

    Attributes:
        over: until when it goes on at least, by ``time.monotonic``; afterwards when it ended.
        enough: it goes on until this holds, for at most half of ``settle`` more.
        settle: seconds after it in which everything has to come to rest.
        faults: all that may happen.
        missing: what this machine has no means for, with the reason.
        done: what was done, by target and deed.
        fell: programs that ended by themselves, with how they ended.
    """

    def __init__(self, site: Installation, seed: int, seconds: float, settle: float) -> None:
        """Make a storm of so many seconds; it begins when it is run."""
        self.site = site
        self.seconds = seconds
        self.settle = settle
        self.over = time.monotonic() + seconds
        self.enough: Callable[[], bool] = lambda: True
        self.done: Counter[tuple[str, str]] = site.outside.done
        self.fell: Counter[tuple[str, int | None]] = Counter()
        self._random = random.Random(f"{seed}/storm")
        self._hurt: set[str] = set()
        self._ended = asyncio.Event()
        self.missing: dict[str, str] = {}
        self.faults = [*self._of_programs(), *self._of_links(), *self._of_clocks(), *self._of_the_disk()]

    @property
    def rages(self) -> bool:
        """Whether it goes on."""
        now = time.monotonic()
        return now < self.over or (now < self.over + self.settle / 2 and not self._ended.is_set() and not self.enough())

    @property
    def is_long_over(self) -> bool:
        """Whether everything should have come to rest."""
        return not self.rages and time.monotonic() > self.over + self.settle

    async def run(self) -> None:
        """Rage, then leave everything running."""
        chance = self._random
        self.over = time.monotonic() + self.seconds
        async with asyncio.TaskGroup() as tasks:
            while self.rages:
                (fault,) = chance.choices(self.faults, [fault.weight for fault in self.faults])
                pause, length = chance.uniform(0.4, 2.4), chance.uniform(0.1, fault.longest)
                left = self.over - time.monotonic()
                left = left if left > 0 else math.inf
                if chance.random() < 1 / 8 and length < fault.also <= left:
                    length = fault.also
                if fault.target not in self._hurt:
                    tasks.create_task(self._strike(fault, min(length, left)))
                await asyncio.sleep(max(0.0, min(pause, left)))
                self._lift()
            self.over = time.monotonic()
            self._ended.set()
        self.site.outside.rages = False
        await self.site.up()

    def _of_programs(self) -> list[Fault]:
        found: list[Fault] = []
        for program in self.site.programs:
            kind = program.name.split("-")[0]
            weight = _WEIGHTS[kind] / sum(p.name.split("-")[0] == kind for p in self.site.programs)
            killed = Fault(program.name, "killed", 0.6 * weight, 1.5, program.kill, _starting(program))
            frozen = Fault(program.name, "frozen", 0.4 * weight, 4.0, program.freeze, program.thaw, also=FROZEN)
            found += [killed, frozen]
        return found

    def _of_links(self) -> list[Fault]:
        found: list[Fault] = []
        for link in self.site.links:
            for deed, lost in (("cut", False), ("cut and lost", True)):
                found.append(
                    Fault(
                        link.name,
                        deed,
                        1.2 / len(self.site.links),
                        8.0,
                        link.cut,
                        lambda a=link, b=lost: a.mend(lost=b),
                    )
                )
        return found

    def _of_clocks(self) -> list[Fault]:
        clocks = self.site.clocks
        if not all(clock.works for clock in clocks.values()):
            self.missing["clock steps"] = "there is no C compiler, or they were not asked for"
            return []
        return [
            Fault(
                f"clock of {name}",
                "stepped",
                1.2 / len(clocks),
                10.0,
                lambda clock=clock: clock.step(self._random.uniform(-_STEP, _STEP)),
                lambda clock=clock: clock.step(0.0),
            )
            for name, clock in clocks.items()
        ]

    def _of_the_disk(self) -> list[Fault]:
        server = self.site.postgresql
        if server is None or server.disk is None:
            self.missing["disk full"] = "it takes PostgreSQL, and root to mount a disk for it"
            return []
        return [Fault("disk of postgresql", "filled", 0.4, 4.0, server.fill, server.empty)]

    async def _strike(self, fault: Fault, length: float) -> None:
        self._hurt.add(fault.target)
        try:
            await _do(fault.begin)
            self.done[fault.target, fault.deed] += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), length)
        finally:
            await _do(fault.end)
            self._hurt.discard(fault.target)

    def _lift(self) -> None:
        """Start what ended by itself, as a supervisor does."""
        for program in self.site.programs:
            if program.name not in self._hurt and not program.alive:
                self.fell[program.name, program.exitcode] += 1
                program.start()


def _starting(program: Program) -> Deed:
    def start() -> None:
        if not program.alive:
            program.start()

    return start


async def _do(deed: Deed) -> None:
    done = deed()
    if inspect.isawaitable(done):
        await done
