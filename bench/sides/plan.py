"""What is measured: the sides take turns, round by round, so that what else the machine does meets all of them."""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sides import names
from sides.cells import AGENTS, LONG, SHORT, Cell
from sides.cpu import Cpu, memory
from sides.side import Failed, Gone, Side
from sides.talk import Job
from sides.work import THINKING

T = TypeVar("T")

LOAD_STEPS = 10
IDEAL = LOAD_STEPS * THINKING
BEARABLE = 1.5
"""Times the ideal that an agent's user bears."""

MOST = 1_000
BATCH = 50
"""Executions that are started at once to wait."""

FEWEST = 10
"""Agents with which the search for the most begins."""

BISECTIONS = 2
NEARBY = 1.25
"""Factor by which a later search goes up or down from what the first one has found."""

SHORTS = 3
POINTS = (10, 1_000, 10_000)
"""Steps that are gone back to."""

STORED_STEPS = 20
KEPT = (50, 100, 250, 500)
SETTLES = 2.0
"""Seconds after which a server has stored what it was told."""


@dataclass
class Found:
    """What was found, ready for JSON.

    Attributes:
        steps: seconds of each round, by cell and side; of a long cell also those of short executions right before.
        cpu: milliseconds of CPU a step, by side and program.
        steps_profile: what a worker does in steps, by side, as `profile`.
        stored: bytes a step of each round, by characters a step and side.
        stored_in: those of the middle round, by characters a step, side, and the table or file that holds them.
        load: seconds over the ideal of each try, by work, side and number of executions at once.
        largest: largest number of executions at once that users bear, by work and side.
        load_cpu: milliseconds of CPU a step when they were the most that was borne, by work, side and program.
        kept: seconds and bytes a turn, by side and number of turns.
        load_profile: what a worker does then, by work and side, as `profile`.
        travel: seconds of going back, by side and way, and by step.
        requests: milliseconds of requests to Cairn, by that on which its Temporal stands, and by request; of those that
            were made in rounds, the median of each round, too.
        requests_cpu: milliseconds of CPU a request, by that on which its Temporal stands, request and program.
        api: what the API does while executions are started, by that on which its Temporal stands.
        waiting: what executions that wait for a person cost, by side.
        scale: seconds and milliseconds of CPU a step of each round, by load, side and number of workers.
        caused: what one execution causes at Temporal and on the disk, by side and number of its steps.
        profile: what a worker does, by side: threads, packages and a picture.
        apart: what programs of their own have printed, by part.
        failed: what a side did not do, and why, with its part.
    """

    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    cpu: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    steps_profile: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    stored: dict[str, dict[str, list[int]]] = field(default_factory=dict[str, dict[str, list[int]]])
    stored_in: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict[str, dict[str, dict[str, int]]])
    load: dict[str, dict[str, dict[str, list[float]]]] = field(
        default_factory=dict[str, dict[str, dict[str, list[float]]]]
    )
    largest: dict[str, dict[str, list[int]]] = field(default_factory=dict[str, dict[str, list[int]]])
    load_cpu: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict[str, dict[str, dict[str, float]]])
    load_profile: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict[str, dict[str, dict[str, Any]]])
    kept: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict[str, dict[str, dict[str, float]]])
    travel: dict[str, dict[str, list[float]]] = field(default_factory=dict[str, dict[str, list[float]]])
    requests: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict[str, dict[str, dict[str, Any]]])
    requests_cpu: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict[str, dict[str, dict[str, float]]])
    api: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    waiting: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    scale: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    caused: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict[str, dict[str, dict[str, float]]])
    profile: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    apart: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    failed: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


class Plan:
    """Measures sides.

    Attributes:
        found: what was found.
        part: what is being measured, by the name that readers ask for it with.
    """

    def __init__(self, found: Found, folder: Path) -> None:
        """Take where to write what is found, and the folder of the servers' data."""
        self.found = found
        self.part = ""
        self._folder = folder

    def fail(self, side: str, note: str) -> None:
        """Write down that a side did not do something, once."""
        failed = {"part": self.part, "side": side, "note": note}
        if failed not in self.found.failed:
            self.found.failed.append(failed)
            say(note)

    def failed(self, side: Side, what: str, failed: Failed) -> None:
        """Write down that a side did not do a job, or that it does none of this part any more."""
        self.fail(side.name, f"{self.part if isinstance(failed, Gone) else what}: {failed}")

    async def attempt(self, side: Side, job: Job, at_once: int = 1) -> float | None:
        """Return the seconds of all; None when the side fails, which is written down."""
        try:
            return await side.run(job, at_once)
        except Failed as failed:
            what = f"{at_once} executions of {job.steps} steps, {job.size} characters, {job.work}"
            self.failed(side, what, failed)
            return None

    async def warm(self, sides: Sequence[Side], works: Sequence[str]) -> None:
        """Have each side do each kind of work once."""
        for side, work in itertools.product(sides, works):
            if work in side.works:
                await self.attempt(side, Job(5, 100, work), 3)

    async def steps(self, sides: Sequence[Side], cells: Sequence[Cell], rounds: int | None) -> None:
        """Measure executions whose steps do nothing but bring a text; None for each cell's own number of rounds."""
        for cell in cells:
            turns = {side.name: rounds or cell.rounds(side.name) * cell.asks(side.name) for side in sides}
            seconds: dict[str, list[float | None]] = {name: [] for name, count in turns.items() if count}
            short: dict[str, list[float | None]] = {name: [] for name in seconds}
            for turn in range(max(turns.values(), default=0)):
                for side in rotated([side for side in sides if turn < turns[side.name]], turn):
                    if cell == Cell(LONG, 1):
                        short[side.name].append(await self._short(side, cell.size))
                    cpu = Cpu(self._folder)
                    took = await self.attempt(side, Job(cell.steps, cell.size), cell.at_once)
                    seconds[side.name].append(took)
                    if took is not None and cell == Cell(20, 20):
                        self.found.cpu[side.name] = cpu.since(cell.steps * cell.at_once)
            say(f"{cell}: {' '.join(f'{name} {shown(each)};' for name, each in seconds.items())}")
            measured = among(self.found.steps, asdict(cell))
            measured.setdefault("seconds", {}).update(seconds)
            if any(short.values()):
                measured.setdefault("short", {}).update(short)

    async def _short(self, side: Side, size: int) -> float | None:
        """Return the seconds of a short execution, the median of some."""
        took = [await self.attempt(side, Job(SHORT, size)) for _ in range(SHORTS)]
        done = [each for each in took if each is not None]
        return statistics.median(done) if done else None

    async def stored(self, sides: Sequence[Side], sizes: Sequence[int], executions: int, rounds: int) -> None:
        """Measure what a step leaves on the disk, round by round of each side: it is the same beside other work."""
        for size, side in itertools.product(sizes, [side for side in sides if side.stores]):
            try:
                grown = await self._stored(side, Job(STORED_STEPS, size), executions, rounds)
            except Failed as failed:
                self.failed(side, f"bytes a step of {size} characters", failed)
                continue
            if grown:
                found = [round(sum(each.values())) for each in grown]
                self.found.stored.setdefault(str(size), {})[side.name] = found
                middle = grown[found.index(statistics.median_low(found))]
                places = {name: round(bytes) for name, bytes in middle.items() if round(bytes)}
                self.found.stored_in.setdefault(str(size), {})[side.name] = places
                say(f"bytes a step of {size} characters: {side.name} {found} {places}")

    async def _stored(self, side: Side, job: Job, executions: int, rounds: int) -> list[dict[str, float]]:
        """Return the bytes a step of each round, by what holds them."""
        await asyncio.sleep(SETTLES)
        held = [side.stored_in()]
        for _ in range(rounds):
            if await self.attempt(side, job, executions) is None:
                break
            await asyncio.sleep(SETTLES)
            held.append(side.stored_in())
        steps = executions * job.steps
        return [
            {name: (after[name] - before[name]) / steps for name in after | before}
            for before, after in itertools.pairwise(held)
        ]

    async def load(self, sides: Sequence[Side], work: str, rounds: int, most: int = MOST, full: bool = False) -> None:
        """Measure agents: how many at once until one takes much longer than its model does.

        Args:
            sides: of which those are measured that can do the work.
            work: ``think`` or ``ask``.
            rounds: searches; each after the first begins where that one ended.
            most: where a search ends.
            full: whether more than one search is for every side, and not just for those that aims compare.
        """
        for turn in range(rounds):
            able = [side for side in sides if work in side.works and (not turn or full or names.aimed(side.name))]
            for side in rotated(able, turn):
                times = self.found.load.setdefault(work, {}).setdefault(side.name, {})
                known = self.found.largest.setdefault(work, {}).setdefault(side.name, [])
                largest, spent = await self._largest(side, work, times, most, known[0] if known else 0)
                known.append(largest)
                if spent:
                    self.found.load_cpu.setdefault(work, {})[side.name] = spent
                say(f"agents that {work} at once: {side.name} {known}; {times}")

    async def _largest(
        self, side: Side, work: str, times: dict[str, list[float]], most: int, near: int
    ) -> tuple[int, dict[str, float]]:
        """Find the largest number within what is bearable: by doubling and bisection, or near a known one; on a line.

        Returns:
            It, and the milliseconds of CPU a step of the largest number that was tried and borne, by program.
        """
        good, good_time, bad, bad_time = 0, 1.0, 0, 0.0
        spent: dict[str, float] = {}
        at_once, factor, left = (near, NEARBY, 0) if near else (FEWEST, 2.0, BISECTIONS)
        while at_once not in (good, bad):
            cpu = Cpu(self._folder)
            seconds = await self.attempt(side, Job(LOAD_STEPS, 100, work), at_once)
            over = seconds / IDEAL if seconds is not None else float("inf")
            if seconds is not None:
                times.setdefault(str(at_once), []).append(round(over, 3))
            if over <= BEARABLE:
                good, good_time, spent = at_once, over, cpu.since(LOAD_STEPS * at_once)
            else:
                bad, bad_time = at_once, over
            if good >= most:
                return most, spent
            if not bad:
                at_once = min(math.ceil(good * factor), most)
            elif not good:
                at_once = int(bad / factor)
            elif left:
                at_once, left = (good + bad) // 2, left - 1
            else:
                break
        if bad_time == float("inf") or bad_time <= good_time:
            return good, spent
        return good + int((bad - good) * (BEARABLE - good_time) / (bad_time - good_time)), spent

    async def agents(self, sides: Sequence[Side], work: str, numbers: Sequence[int] = AGENTS) -> None:
        """Measure what so many agents at once take, once, where the searches did not come by."""
        for at_once in numbers:
            for side in (each for each in sides if work in each.works):
                times = self.found.load.setdefault(work, {}).setdefault(side.name, {})
                if str(at_once) in times:
                    continue
                seconds = await self.attempt(side, Job(LOAD_STEPS, 100, work), at_once)
                if seconds is not None:
                    times[str(at_once)] = [round(seconds / IDEAL, 3)]
                say(f"{at_once} agents that {work} at once: {side.name} {times.get(str(at_once))}")

    async def kept(self, sides: Sequence[Side], turns: Sequence[int] = KEPT) -> None:
        """Measure chats: each turn adds a text of a thousand characters to a list in the state."""
        for side in sides:
            try:
                await self._kept(side, turns)
            except Failed as failed:
                self.failed(side, "chats", failed)

    async def _kept(self, side: Side, turns: Sequence[int]) -> None:
        for count in turns:
            await asyncio.sleep(SETTLES)
            before = side.stored()
            seconds = await self.attempt(side, Job(count, 1_000, keep=True))
            if seconds is None:
                return
            await asyncio.sleep(SETTLES)
            found = {"ms": round(seconds * 1_000 / count, 3), "bytes": round((side.stored() - before) / count)}
            self.found.kept.setdefault(side.name, {})[str(count)] = found
            say(f"a chat of {count} turns: {side.name} {found}")

    async def travel(self, sides: Sequence[Side], points: Sequence[int], rounds: int | None) -> None:
        """Measure going back to a step of an execution, until the step after it has been done again."""
        for point in points:
            for turn in range(rounds or (3 if Cell(point, 1).light else 1)):
                for side in rotated(sides, turn):
                    await self._travel(side, point)
            say(f"going back to step {point}: {self.found.travel}")

    async def _travel(self, side: Side, point: int) -> None:
        try:
            ways = await side.travel(Job(point + 1, 100))
        except Failed as failed:
            self.failed(side, f"going back to step {point}", failed)
            return
        for way, seconds in ways.items():
            of = self.found.travel.setdefault(f"{side.name}: {way}", {})
            of.setdefault(str(point), []).append(round(seconds, 4))

    async def waiting(self, sides: Sequence[Side], executions: int) -> None:
        """Measure what executions cost that wait for a person: bytes on the disk, and memory of all programs."""
        for side in (side for side in sides if "wait" in side.works):
            try:
                await self._waiting(side, executions)
            except Failed as failed:
                self.failed(side, "what executions that wait cost", failed)

    async def _waiting(self, side: Side, executions: int) -> None:
        await asyncio.sleep(SETTLES)
        bytes, before = side.stored(), memory(self._folder)
        took = 0.0
        for _ in range(executions // BATCH):
            seconds = await self.attempt(side, Job(1, 100, "wait"), BATCH)
            if seconds is None:
                return
            took += seconds
        await asyncio.sleep(SETTLES * 5)
        now = memory(self._folder)
        grown = {name: round(now[name] - before.get(name, 0), 1) for name in now}
        self.found.waiting[side.name] = {
            "executions": executions,
            "bytes": round((side.stored() - bytes) / executions),
            "seconds": round(took, 1),
            **{name: mb for name, mb in grown.items() if abs(mb) >= 1},
        }
        say(f"waiting: {side.name} {self.found.waiting[side.name]}")


def among(cells: list[dict[str, Any]], load: dict[str, Any]) -> dict[str, Any]:
    """Return the cell of a load, which is added when there is none."""
    found = next((each for each in cells if load.items() <= each.items()), None)
    if found is None:
        found = dict(load)
        cells.append(found)
    return found


def rotated(sides: Sequence[T], turn: int) -> Iterator[T]:
    """Begin each round with another side."""
    start = turn % max(len(sides), 1)
    return itertools.chain(sides[start:], sides[:start])


def shown(seconds: Sequence[float | None]) -> str:
    """Return seconds for the log."""
    return "/".join("-" if each is None else f"{each:.2f}" for each in seconds)


def say(line: str) -> None:
    """Tell how far it has come."""
    print(line, file=sys.stderr, flush=True)
