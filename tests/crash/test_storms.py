"""Storms over whole installations; `make chaos` has those on PostgreSQL, with more clients."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest
from crash import bugs

from cairn.orderly import PARENT_VARIABLE
from chaos.programs import until
from chaos.records import Asked
from chaos.report import page
from chaos.run import Plan, run

SECONDS, CLIENTS = 90, 6


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("seed", "database"), [(7, "sqlite"), (None, "postgresql")], ids=["fixed", "fresh"])
async def test_everything_survives_a_storm(
    seed: int | None, database: str, record_property: Callable[[str, object], None]
) -> None:
    seed = random.randrange(1 << 31) if seed is None else seed
    again = f"make chaos SECONDS={SECONDS} SEED={seed} SERVER=dev DATABASE={database} ARGS='--clients {CLIENTS}'"
    record_property("again", again)
    code, report = await stormed(seed, database)
    told = f"{report}\nAgain: {again}\n"
    assert code == 0, told
    assert int(rows(report, "Executions")[0][1].split(":")[0]) >= 6, told
    faults = {(what, deed): int(times) for what, deed, times in rows(report, "Faults")}
    assert sum(faults.values()) >= 15, told
    assert {("worker-1 - model", "cut"), ("workers - receiver", "cut")} <= faults.keys(), told
    assert shutil.which("cc") is None or ("clock of worker-1", "stepped") in faults, told
    of_the_database = {("postgresql", "killed"), ("postgresql", "frozen"), ("api-1 - postgresql", "cut")}
    assert database == "sqlite" or of_the_database <= faults.keys(), told


async def stormed(seed: int, database: str) -> tuple[int, str]:
    """Have a storm in a process of its own, as clocks and disks want it; return how it ended, and what it said."""
    # Whatever else the machine does then: what is late is not lost.
    given = {"seconds": SECONDS, "clients": CLIENTS, "settle": 600, "server": "dev"}
    given |= {"seed": seed, "database": database}
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "chaos", *options]
    ours = {**os.environ, PARENT_VARIABLE: str(os.getpid())}  # it is not to outlive this process
    storm = await asyncio.create_subprocess_exec(*command, env=ours, stdout=pipe, stderr=pipe)
    try:
        report, errors = await storm.communicate()
    finally:
        if storm.returncode is None:
            storm.terminate()
            await storm.wait()
    # What the programs outside say of their own failures is long, and says little when there is a report.
    return storm.returncode or 0, (report if b"\n# Storm" in report else report + errors).decode()


def rows(report: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    section = report.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


SEED = 74
"""Of storms that begin with executions of many kinds, one that tells people of requests among them."""

SEVERAL = 8


def started(asked: Iterable[Asked]) -> bool:
    """Whether several executions were begun, most of which call tools before they come to rest."""
    return sum(each.kind == "start" and each.done for each in asked) >= SEVERAL


def answered_anew(asked: Iterable[Asked]) -> bool:
    """Whether more than one message that was sent twice had two answers."""
    return sum(each.kind == "say" and any("different answers" in told for told in each.faults) for each in asked) > 1


# Found by nearly all that a storm does, which ends as soon as that was done; the others by what it does now and then.
QUICK = {bugs.effect_twice: started, bugs.not_deterministic: started, bugs.said_twice: answered_anew}

# With these nothing ever comes to rest, so that a storm waits for that in vain, as long as it is told to.
RESTLESS = (bugs.never_ends, bugs.nobody_told, bugs.rows_left)

# Found as soon, and left to `make chaos WHAT=tests`.
PLAIN = (bugs.heard_again, bugs.key_of_try)

# What these are found by only some executions do.
GRAPHS = {bugs.heard_again: ("outside",), bugs.nobody_told: ("told",), bugs.old_results: ("line", "loop", "fork")}


def planned(bug: Callable[[], None], seed: int) -> Plan:
    return Plan(
        seconds=15 if bug in (*QUICK, *RESTLESS, *PLAIN) else 60,
        seed=seed,
        clients=8,
        bug=bug,
        least=0 if bug in QUICK else 12,
        seen=QUICK.get(bug, lambda _: True),
        settle=20 if bug in RESTLESS else 120,
        graphs=GRAPHS.get(bug, ()),
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "bug",
    [pytest.param(bug, id=bug.__name__, marks=() if bug in QUICK else pytest.mark.chaos) for bug in bugs.SEEDED],
)
async def test_a_seeded_bug_is_found(bug: Callable[[], None], tmp_path: Path) -> None:
    plan = planned(bug, SEED)
    outcome = await run(plan, tmp_path)
    assert bugs.SEEDED[bug] in {violation.rule for violation in outcome.violations}, page(plan, outcome)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_storm_that_is_stopped_stops_all_that_it_started(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chaos", "--server", "dev", "--seconds", "600", "--clients", "1"]
    environment, quiet = {**os.environ, "TMPDIR": str(tmp_path)}, asyncio.subprocess.DEVNULL
    storm = await asyncio.create_subprocess_exec(*command, env=environment, stdout=quiet, stderr=quiet)
    await until(lambda: any(tmp_path.glob("cairn-chaos-*/worker-*.log")), 90, "the start of a worker")
    started = psutil.Process(storm.pid).children(recursive=True)
    assert len(started) >= 5
    storm.send_signal(number)
    assert await storm.wait() == 128 + signal.SIGINT
    assert psutil.wait_procs(started, timeout=30)[1] == []
