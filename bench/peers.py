"""Cairn beside its peers on one host: ``make bench``. Writes docs/benchmarks.md with its pictures.

    make bench                                              everything: some loads, some rounds (some hours)
    make bench ARGS="--temporal postgresql"                 without the dev server (two thirds of that)
    make bench ARGS="--parts steps stored"                  some parts
    make bench ARGS="--add --parts load"                    some parts anew, beside what is known of the others
    make bench ARGS="--add --sides DBOS Restate"            some sides anew, beside what is known of the others
    make bench ARGS=--full                                  all loads, five rounds (many hours)
    make bench ARGS=--page                                  the page anew, from its figures
    make bench ARGS="--tiny --out /tmp/peers"               does it work at all?

Each side is a process of its own, in an environment of its own, that is given jobs. PostgreSQL, Temporal's dev server
and Temporal on PostgreSQL, which is built with Go when it is not there, are started for it, with data in a temporary
folder. PostgreSQL writes through to the disk. What this machine lacks, what could not be started and what has died is
named on the page, and all else is measured; the exit status is 1 when something was not started, or a part broken off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Container, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from sides import absent, cells, earlier, http_requests, machine, names, plan, profiling, scale, venvs
from sides.page import page
from sides.plan import Found, Plan, say
from sides.servers import Servers
from sides.side import Side

from cairn import orderly

PARTS = ("steps", "stored", "kept", "travel", "requests", "scale", "load", "waiting", "long", "maps")
APART = ("scale", "load", "waiting")
"""Parts that have servers of their own: shares of the cores are told best alone, agents need other settings, what waits
stays."""

PROGRAMS = {"long": ("--steps", 100_000), "maps": ("--items", 10_000)}
"""Parts that are programs of this folder, with an installation of Cairn's own: how long or large what they run is."""

TINY = 50
"""What they run where next to nothing is asked for."""

PEERS = ("langgraph", "dbos", "restate", "prefect", "conductor")
TEMPORAL = {"dev": names.DEV, "postgresql": names.POSTGRESQL}
SLOTS = 1_000
"""Activities that a worker runs at a time where there are many agents: each waits, and needs no processor."""

_FOLDER = "cairn-peers-"
"""How a folder of data is called, before the process id of its run."""

SMALL_LOAD = 40
WAITING = 10_000
"""Executions that wait for a person."""


class Run:
    """One run of the command.

    Attributes:
        whole: whether all sides could be started, and no part was broken off.
    """

    def __init__(self, given: argparse.Namespace, figures: Path) -> None:
        """Take what was asked for, and the file that gets the figures."""
        self.whole = True
        self._given = given
        self._figures = figures
        self._machine = machine.describe([shlex.quote(each) for each in sys.argv[1:]])
        left_out = absent.missing(on_postgresql=given.temporal is None or "postgresql" in given.temporal)
        on = stands_on(left_out) if given.temporal is None else given.temporal
        self._temporal = [TEMPORAL[name] for name in on]
        self._peers = [name for name in given.peers if name.capitalize() not in left_out]
        self._found, self._runs = self._begin(figures)
        others = [each for each in self._found.failed if each["part"] != absent.SETUP]
        self._found.failed = [*others, *absent.failures(left_out)]

    def _begin(self, figures: Path) -> tuple[Found, earlier.Runs]:
        """Return what is known before: nothing, or what earlier runs have found."""
        if not (self._given.add and figures.exists()):
            return Found(), {}
        known = json.loads(figures.read_text())
        try:
            return earlier.found_before(known, self._machine), earlier.runs_of(known)
        except earlier.Differs as error:
            sys.exit(f"--add: {error}")

    async def measure(self) -> None:
        """Run all parts that were asked for; what was found is written after each."""
        asked = [part for part in PARTS if part in self._given.parts]
        together = [part for part in asked if part not in (*APART, *PROGRAMS)]
        for parts in (together, *([part] for part in asked if part in APART)):
            if parts == ["scale"]:
                for each in self._temporal:
                    await self._with_servers(parts, [each], [])
            elif parts:
                await self._with_servers(parts, self._temporal, self._peers)
        for part in [part for part in PROGRAMS if part in self._given.parts]:
            await self._program(part)

    async def _program(self, part: str) -> None:
        option, size = PROGRAMS[part]
        command = [str(Path(__file__).with_name(f"{part}.py")), option, str(TINY if self._given.tiny else size)]
        program = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
        said, _ = await program.communicate()
        failed = self._found.failed = [each for each in self._found.failed if each["part"] != part]
        if program.returncode:
            failed.append({"part": part, "side": "Cairn", "note": f"{part}: status {program.returncode}"})
        else:
            self._found.apart[part] = printed(said.decode())
        self._write(part, [] if program.returncode else ["Cairn"])

    def _write(self, part: str, rows: list[str]) -> None:
        """Write down what is known by now; the rows are those that were measured anew."""
        if rows:
            earlier.told(self._runs, part, earlier.run_of(self._machine, rows, self._given.beside))
        known = {"machine": self._machine, "runs": self._runs, **asdict(self._found)}
        self._figures.write_text(json.dumps(known) + "\n")

    async def _with_servers(self, parts: list[str], temporal: list[str], peers: list[str]) -> None:
        slots = SLOTS if parts == ["load"] else None
        with folder() as where:
            servers = Servers(where, slots, temporal, peers, self._given.sides)
            async with servers.open() as sides:
                measured = Plan(self._found, where)
                for part in parts:
                    rows = [*servers.callers] if part == "requests" else [side.name for side in sides]
                    measured.part = part
                    earlier.forget(vars(self._found), part, rows)
                    self._not_started(part, servers.failed)
                    if part == parts[0]:
                        await measured.warm(sides, ("think", "ask") if slots else ("produce",))
                    try:
                        await self._part(part, measured, sides, servers)
                    except Exception as error:  # what the other parts find is kept, and what this one has found
                        traceback.print_exception(error)
                        self._broken(part, rows, f"broken off: {type(error).__name__}: {error}")
                    self._write(part, rows)

    def _not_started(self, part: str, failed: Mapping[str, str]) -> None:
        for what, why in failed.items():
            of = [side for side, on in names.known().items() if on == what and side in (self._given.sides or [side])]
            rows = of if part != "requests" else [what] if what in TEMPORAL.values() else []
            if rows:
                self._broken(part, rows, f"not started: {'; '.join(rows)}: {why}")

    def _broken(self, part: str, rows: Sequence[str], why: str) -> None:
        """Write down which rows of a part were not measured, or not wholly."""
        self.whole = False
        others = [each for each in self._found.failed if each["part"] != part or each["side"] not in rows]
        self._found.failed = [*others, *({"part": part, "side": row, "note": f"{part}: {why}"} for row in rows)]
        say(f"{part}: {why}")

    async def _part(self, part: str, measured: Plan, sides: list[Side], servers: Servers) -> None:
        tiny, full = self._given.tiny, self._given.full
        looked = [side for side in sides if side.name.endswith(f", {self._where()}")]
        seconds = 2 if tiny else profiling.BRIEFLY
        place = profiling.Place(servers.callers, servers.folder, seconds, self._figures.parent)
        match part:
            case "steps":
                loads = cells.TINY if tiny else cells.FULL if full else cells.QUICK
                await measured.steps(sides, loads, 1 if tiny else 5 if full else None)
                await profiling.of_steps(measured, looked, place)
            case "stored":
                sizes = (100, 10_000, 1_000_000) if full else (100, 10_000)
                await measured.stored(sides, sizes, *((2, 2) if tiny else (20, 3)))
            case "kept":
                await measured.kept(sides, (10, 20) if tiny else plan.KEPT)
            case "travel":
                points = (3,) if tiny else plan.POINTS
                await measured.travel(sides, points, 3 if full else None)
            case "requests":
                count, rows, seconds = (50, 1_000, 2) if tiny else (500, 100_000, http_requests.SECONDS)
                for where, environment in servers.callers.items():
                    each = http_requests.Requests(measured, where, environment, servers.folder)
                    await each.measure(count, rows, seconds, self._figures.parent)
            case "scale":
                await self._scale(measured, sides, servers)
            case "load":
                for work in ("think", "ask"):
                    await measured.load(sides, work, 2 if tiny else 3, SMALL_LOAD if tiny else plan.MOST, full)
                    await measured.agents(sides, work, () if tiny else cells.AGENTS)
                    await profiling.of_agents(measured, looked, place, work)
            case _:
                await measured.waiting(sides, 50 if tiny else WAITING)

    async def _scale(self, measured: Plan, sides: list[Side], servers: Servers) -> None:
        """Measure one worker and two, what executions cause, and, on one Temporal, what the workers do."""
        if not sides:
            return
        tiny, (where,) = self._given.tiny, servers.temporal
        measuring = scale.Scale(measured, where, servers.callers[where], servers.folder)
        await measuring.measure(sides, scale.TINY if tiny else scale.LOADS, 1 if tiny else 5 if self._given.full else 3)
        await measuring.caused(sides, scale.CAUSED_TINY if tiny else scale.CAUSED, 1 if tiny else scale.SETTLES)
        if where == self._where():
            seconds = 3 if tiny else profiling.SECONDS
            place = profiling.Place(servers.callers, servers.folder, seconds, self._figures.parent)
            for side in sides:
                seen = await profiling.profile(measured, side, place, "worker", profiling.EMPTY, profiling.MANY)
                measured.found.profile |= {side.name: seen} if seen else {}

    def _where(self) -> str:
        """Return on what Temporal stands whose workers are looked at."""
        return names.POSTGRESQL if names.POSTGRESQL in self._temporal else names.DEV


def printed(said: str) -> dict[str, Any]:
    """Return what bench/long.py or bench/maps.py has printed: its last line that is JSON."""
    return json.loads([line for line in said.splitlines() if line.startswith("{")][-1])


@contextmanager
def folder() -> Generator[Path]:
    """Make a folder for the data, which PostgreSQL's own user may enter; remove those of runs that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        of = re.fullmatch(rf"{_FOLDER}(\d+)-\w+", left.name)
        if of and not psutil.pid_exists(int(of[1])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield Path(name)


def write(figures: Path, out: Path) -> None:
    """Draw the charts, in the environment that has the library for it, and write the page."""
    program = str(Path(__file__).parent / "sides" / "charts.py")
    command = [venvs.python("charts"), program, str(figures), str(figures.parent), *names.known()]
    subprocess.run(command, check=True)
    (out / "benchmarks.md").write_text(page(json.loads(figures.read_text())))
    print(f"written: {out / 'benchmarks.md'}")


def main() -> int:
    """Measure and write; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="all loads, five rounds")
    parser.add_argument("--tiny", action="store_true", help="next to nothing: does it work at all?")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="of all that there is")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS, help="other systems")
    parser.add_argument("--temporal", nargs="*", choices=TEMPORAL, help="on what it stands")
    parser.add_argument("--sides", nargs="+", choices=names.known(), metavar="SIDE", help="rows of the page, alone")
    parser.add_argument("--beside", action="store_true", help="say that other programs have the machine, too")
    parser.add_argument("--out", type=Path, default=venvs.ROOT / "docs", help="folder of the page")
    parser.add_argument("--add", action="store_true", help="keep what is known of others, of such a machine")
    parser.add_argument("--page", action="store_true", help="only write the page anew from its figures")
    given = parser.parse_args()
    if given.sides:
        stands_on = [names.known()[side] for side in given.sides]
        given.temporal = [name for name, where in TEMPORAL.items() if where in stands_on]
        given.peers = [name for name in PEERS if name in stands_on]
    figures: Path = given.out / "benchmarks" / "figures.json"
    figures.parent.mkdir(parents=True, exist_ok=True)
    whole = True
    if not given.page:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the servers end, too
        run = Run(given, figures)
        asyncio.run(run.measure())
        whole = run.whole
    write(figures, given.out)
    return int(not whole)


def stands_on(left_out: Container[str]) -> list[str]:
    """Return on what Temporal can stand on this machine."""
    return ["dev"] if names.ON_POSTGRESQL in left_out else [*TEMPORAL]


if __name__ == "__main__":
    orderly.run(main)
