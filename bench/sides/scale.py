"""Scale-out: the same load on one worker and on two, and what an execution causes at the servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sides import names, workers
from sides.cost import BYTES
from sides.cpu import Cpu
from sides.plan import Plan, among, rotated, say, shown
from sides.side import Side
from sides.talk import Job
from sides.traffic import Traffic

WORKERS = (1, 2)


@dataclass(frozen=True)
class Load:
    """So many executions at once of so many steps of one kind."""

    steps: int
    at_once: int
    work: str = "produce"


LOADS = (Load(20, 40), Load(1, 200), Load(10, 80, "think"))
"""Agents are fewer than the activities that a worker runs at a time, so that processor and not slots are the bound."""

TINY = (Load(4, 5), Load(1, 5), Load(3, 5, "think"))
CAUSED = (Load(20, 200), Load(1, 400))
"""Executions that are counted and weighed: a line through the two tells what any number of steps causes.

They are many because tables grow by pages, and PostgreSQL's log by whole pages after each of its checkpoints.
"""

SETTLES = 11.0
"""Seconds after which PostgreSQL has counted what idle connections did; they report every ten."""

CAUSED_TINY = (Load(20, 2), Load(1, 2))


class Scale:
    """Measures the sides that stand on one Temporal."""

    def __init__(self, plan: Plan, where: str, environment: Mapping[str, str], folder: Path) -> None:
        """Take the plan, whose figures it adds to, and the installation."""
        self._plan = plan
        self._where = where
        self._environment = environment
        self._folder = folder

    async def measure(self, sides: Sequence[Side], loads: Sequence[Load], rounds: int) -> None:
        """Run each load on one worker and on two, in turns."""
        cells = [self._cell(load) for load in loads]
        for turn in range(rounds):
            for number in WORKERS if turn % 2 == 0 else WORKERS[::-1]:
                async with workers.more(number - 1, self._environment, self._folder):
                    await self._plan.warm(sides, ("produce",))
                    for load, cell in zip(loads, cells, strict=True):
                        for side in rotated([side for side in sides if load.work in side.works], turn):
                            await self._one(side, load, number, cell)
        for load, (seconds, _) in zip(loads, cells, strict=True):
            for name, of in seconds.items():
                say(f"{load}: {name} {', '.join(f'{workers}: {shown(each)}' for workers, each in of.items())}")

    def _cell(self, load: Load) -> tuple[dict[str, dict[str, list[float | None]]], dict[str, dict[str, list[object]]]]:
        told = {"on": self._where, "steps": load.steps, "at_once": load.at_once, "work": load.work}
        cell = among(self._plan.found.scale, told)
        return cell.setdefault("seconds", {}), cell.setdefault("cpu", {})

    async def _one(self, side: Side, load: Load, number: int, cell: tuple[dict, dict]) -> None:
        seconds, cpu = cell
        before = Cpu(self._folder)
        took = await self._plan.attempt(side, Job(load.steps, 100, load.work), load.at_once)
        seconds.setdefault(side.name, {}).setdefault(str(number), []).append(took)
        if took is not None:
            spent = before.since(load.steps * load.at_once)
            cpu.setdefault(side.name, {}).setdefault(str(number), []).append(spent)

    async def caused(self, sides: Sequence[Side], loads: Sequence[Load], settles: float) -> None:
        """Count and weigh what executions cause at Temporal and on the disk.

        Args:
            sides: of one Temporal.
            loads: of different numbers of steps.
            settles: seconds after which servers have stored and counted what they were told.
        """
        traffic = Traffic(workers.temporal(self._environment))
        await asyncio.sleep(settles)
        idle = await traffic.idle(sides[0], settles)
        for load in loads:
            for side in sides:
                stored, before = traffic.stored(side), traffic.read(side)
                began, at = datetime.now(UTC), time.perf_counter()
                if await self._plan.attempt(side, Job(load.steps, 100), load.at_once) is None:
                    continue
                await asyncio.sleep(settles)
                took = time.perf_counter() - at
                done = {name: value - before[name] - idle[name] * took for name, value in traffic.read(side).items()}
                done |= {f"{BYTES}{name}": value - stored[name] for name, value in traffic.stored(side).items()}
                found = {name: round(value / load.at_once, 2) for name, value in done.items()}
                found |= await traffic.history(names.workflow(side.name), began)
                self._plan.found.caused.setdefault(side.name, {})[str(load.steps)] = found
                say(f"an execution of {load.steps} steps: {side.name} {found}")
