"""What each tuning of API and worker is worth: ``make bench WHAT=tuning``. Prints ratios to the default, and JSON.

    make bench WHAT=tuning                                          all knobs, beside Temporal's dev server
    make bench WHAT=tuning ARGS="--temporal postgresql"             beside Temporal on PostgreSQL, Cairn on it as well
    make bench WHAT=tuning ARGS="--knobs 'eager activities off'"    some of them
    make bench WHAT=tuning ARGS="--page docs/benchmarks/tuning.md"  onto a page

Two installations of API and worker share databases and Temporal: one as it is, one with a single knob turned. They do
the same loads in turns, and a ratio is one of neighbours. One is the default: what is above is faster. CPU is that of
API and worker together: what is below one costs less, and it says more than the clock does on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import knobs
import psutil
from sides import machine
from sides.aims import show
from sides.plan import rotated, say
from sides.results import Spread
from sides.servers import HERE, START, answers, cluster_on, create_database
from sides.side import Failed, Side
from sides.tables import table
from sides.talk import Job

from cairn import orderly
from cairn.cli.setup import prepare
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal.connection import connect
from chaos.cluster import Postgresql
from chaos.programs import Program, environment, until

DEFAULT = "default"


@dataclass(frozen=True)
class Load:
    """So many executions at once of so many steps, some times over; what is counted a second is ``of``."""

    steps: int
    at_once: int
    of: str
    times: int = 1

    @property
    def count(self) -> int:
        """How many of what is counted there are."""
        return self.times * self.at_once * (self.steps if self.of == "steps" else 1)

    def __str__(self) -> str:
        """Say it to readers."""
        over = f"{self.times} times " if self.times > 1 else ""
        return f"{over}{self.at_once} executions at once of {self.steps} step{'s' if self.steps > 1 else ''}"


LOADS = (Load(20, 20, "steps"), Load(1, 25, "executions", times=4))
WARM = Load(3, 20, "steps", times=2)
TRIES = 3
"""Times that a round is begun in which a machine that is busy with else did not do all in time."""


@dataclass
class Pair:
    """An API and a worker, and what gives them work.

    Attributes:
        side: starts executions over the API.
        processes: of the two.
    """

    side: Side
    processes: Sequence[psutil.Process]

    async def measure(self, load: Load) -> tuple[float, float]:
        """Do a load; return how much was done a second, and the milliseconds of CPU that each of it took."""
        before = self._cpu()
        seconds = sum([await self.side.run(Job(load.steps, 100), load.at_once) for _ in range(load.times)])
        return load.count / seconds, (self._cpu() - before) * 1_000 / load.count

    def _cpu(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)


@dataclass
class Turns:
    """What was measured in turns with one knob: of each round the default and the other, by load.

    Attributes:
        speed: steps or executions a second.
        cpu: milliseconds of each.
    """

    speed: dict[Load, list[tuple[float, float]]] = field(default_factory=dict[Load, list[tuple[float, float]]])
    cpu: dict[Load, list[tuple[float, float]]] = field(default_factory=dict[Load, list[tuple[float, float]]])

    async def measure(self, pairs: Mapping[str, Pair], rounds: int) -> None:
        """Do all loads round by round, when both are warm; who begins changes from round to round."""
        for pair in pairs.values():
            await pair.measure(WARM)
        for number in range(rounds):
            for load in LOADS:
                found = await self._round(pairs, list(rotated(list(pairs), number)), load)
                speeds, cpu = zip(*(found[name] for name in pairs), strict=True)
                self.speed.setdefault(load, []).append(speeds)
                self.cpu.setdefault(load, []).append(cpu)

    async def _round(
        self, pairs: Mapping[str, Pair], names: Sequence[str], load: Load
    ) -> dict[str, tuple[float, float]]:
        left = TRIES
        while True:
            try:
                return {name: await pairs[name].measure(load) for name in names}
            except Failed as failed:
                left -= 1
                if not left:
                    raise
                say(f"once more: {failed}")

    def ratios(self) -> dict[str, list[float]]:
        """Return the ratios to the default of all rounds, by what is measured."""
        found = {f"{load.of}/s": self.speed[load] for load in LOADS}
        found |= {f"CPU of {load.of}": self.cpu[load] for load in LOADS}
        return {name: [other / default for default, other in each] for name, each in found.items()}


class Bench:
    """Temporal and the databases, and the pairs beside them."""

    def __init__(self, folder: Path, settings: Settings, key: str) -> None:
        """Take the folder of all data, the settings that all programs have, and an API key."""
        self._folder = folder
        self._settings = settings
        self._key = key
        self._number = 0

    @asynccontextmanager
    async def pair(self, name: str) -> AsyncGenerator[Pair]:
        """Run an API and a worker with a knob turned, or as they are by default."""
        self._number += 1
        own = {"api_port": find_free(), "task_queue": f"bench-{self._number}"}
        variables = environment(self._settings.model_copy(update=own))
        turn = None if name == DEFAULT else functools.partial(knobs.turn, name)
        url, log = f"http://127.0.0.1:{own['api_port']}", self._folder / f"{self._number}.log"
        async with AsyncExitStack() as stack:
            programs = [Program(each, [each], variables, log, turn) for each in ("worker", "api")]
            for program in programs:
                stack.push_async_callback(program.stop)
                program.start()
            await until(lambda: _ready(url, programs), START, f"API and worker with {name}; see {log}")
            told = {**variables, "BENCH_URL": url, "BENCH_KEY": self._key}
            side = Side(name, [sys.executable, str(HERE / "run_cairn.py"), "step"], told, log)
            await side.open()
            stack.push_async_callback(side.close)
            yield Pair(side, [psutil.Process(program.pid) for program in programs])

    async def compare(self, name: str, rounds: int) -> Turns:
        """Measure a knob beside the default."""
        turns = Turns()
        async with self.pair(DEFAULT) as default, self.pair(name) as other:
            await turns.measure({DEFAULT: default, name: other}, rounds)
        return turns


async def _ready(url: str, programs: Sequence[Program]) -> bool:
    """Whether an API answers that a worker of its own polls."""
    ended = [program.name for program in programs if not program.alive]
    assert not ended, f"{ended} ended; see {programs[0].log}:\n{programs[0].log.read_text()[-2_000:]}"
    return await asyncio.to_thread(answers, f"{url}/ready")


@asynccontextmanager
async def opened(folder: Path, where: str) -> AsyncGenerator[Bench]:
    """Run Temporal and the databases."""
    settings = Settings(
        home=folder / "home",
        temporal_port=find_free(),
        temporal_ui_port=find_free(),
        tool_modules=["bench_tools"],
        log_level="WARNING",
    )
    async with AsyncExitStack() as stack:
        if where == "postgresql":
            server = await asyncio.to_thread(Postgresql, folder, fsync=True)
            stack.callback(server.stop)
            cluster = await cluster_on(server, folder, stack)
            url = create_database(server.dsn, "cairn").replace("postgresql:", "postgresql+psycopg:")
            settings = settings.model_copy(update={"temporal_port": cluster.port, "database_url": url})
        else:
            temporal = Program("temporal", ["temporal"], environment(settings), folder / "temporal.log")
            stack.push_async_callback(temporal.stop)
            temporal.start()
        key = await prepare(settings)
        assert key is not None
        await until(lambda: _answers(settings), START, "Temporal answering")
        yield Bench(folder, settings, key)


async def _answers(settings: Settings) -> bool:
    try:
        await connect(settings, lazy=False)
    except RuntimeError:
        return False
    return True


def rows(found: Mapping[str, Turns]) -> str:
    """Return the table of ratios."""
    head = ["", *next(iter(found.values())).ratios()]
    return table(head, ([name, *map(show, map(Spread.of, turns.ratios().values()))] for name, turns in found.items()))


def page(found: Mapping[str, Turns], given: argparse.Namespace, load: float) -> str:
    """Return the page of figures."""
    told = machine.describe([shlex.join(sys.argv[1:])])
    command = str(told["command"]).replace("make bench", "make bench WHAT=tuning")
    beside = ", beside other work" if given.beside else ""
    host = f"{told['cores']} cores ({told['processor']}), Python {told['python']}"
    speeds = {each: [default for turns in found.values() for default, _ in turns.speed[each]] for each in LOADS}
    lines = "".join(f"- {each}: {statistics.median(of):.0f} {each.of}/s by default\n" for each, of in speeds.items())
    return f"""# What tunings are worth

`{command}`, {told["date"]}, commit {told["commit"]}, load before it began {load:.1f}{beside}.
{host}, {_TEMPORAL[given.temporal]}, {given.rounds} round{"s" if given.rounds > 1 else ""}.

{lines}
Ratios to the default of API and worker with one thing set otherwise: median, and the smallest and the largest, of
neighbours in one round. Steps and executions a second: above one is faster. CPU of API and worker for each: below one
costs less. What stays as it is, and why, is in [operations](../operations.md#what-is-tuned-and-what-is-left-as-it-is).

{rows(found)}"""


_TEMPORAL = {"dev": "Temporal's dev server with SQLite", "postgresql": "Temporal and Cairn on PostgreSQL"}


async def run(given: argparse.Namespace, folder: Path) -> dict[str, Turns]:
    """Measure the knobs that are asked for, one after the other; the page has those that are done."""
    found, load = dict[str, Turns](), os.getloadavg()[0]
    async with opened(folder, given.temporal) as bench:
        for name in given.knobs:
            began = time.perf_counter()
            try:
                found[name] = await bench.compare(name, given.rounds)
            except (Failed, TimeoutError) as failed:  # the others are measured all the same
                say(f"{name}: {failed}")
                continue
            ratios = ", ".join(f"{of} {show(Spread.of(each))}" for of, each in found[name].ratios().items())
            say(f"{name}: {ratios} ({time.perf_counter() - began:.0f} s)")
            if given.page:
                given.page.write_text(page(found, given, load))
    return found


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--temporal", choices=list(_TEMPORAL), default="dev")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--knobs", nargs="+", choices=list(knobs.KNOBS), default=list(knobs.KNOBS), metavar="KNOB")
    parser.add_argument("--page", type=Path, help="file that it is written to, in Markdown")
    parser.add_argument("--beside", action="store_true", help="say that the machine did other work, too")
    given = parser.parse_args()
    sys.path.append(str(HERE))  # where the programs find the tool of the steps
    with tempfile.TemporaryDirectory(prefix="cairn-tuning-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # PostgreSQL's own user enters it
        found = asyncio.run(run(given, Path(folder)))
    if not found:
        return 1
    print(rows(found))
    print(json.dumps({name: turns.ratios() for name, turns in found.items()}))
    return int(len(found) < len(given.knobs))


if __name__ == "__main__":
    orderly.run(main)
