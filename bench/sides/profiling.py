"""What a program does while it is under load: its threads by the processor's time, its Python by py-spy."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sides import flame, names, venvs, workers
from sides.plan import LOAD_STEPS, Plan, say
from sides.side import Side
from sides.talk import Job

RATE = 100
SECONDS, BRIEFLY = 20, 6
"""How long a worker is looked at in the part that is about that, and in others."""
_CORE = ("tokio-", "workflow-proces", "temporal-")
"""How the names begin of the threads that run no Python."""

EMPTY, MANY = Job(20, 100), 40
"""What a worker does while it is looked at where no other work is asked for, and how many executions at once."""


class Unseen(RuntimeError):
    """py-spy has not seen a process; what it said."""


@dataclass(frozen=True)
class Place:
    """Where workers are looked at.

    Attributes:
        environments: of the installations, by that on which their Temporal stands.
        folder: of their data.
        seconds: how long each is looked at.
        pictures: folder that gets the flame graphs.
    """

    environments: Mapping[str, Mapping[str, str]]
    folder: Path
    seconds: int
    pictures: Path


async def profile(plan: Plan, side: Side, place: Place, of: str, job: Job, at_once: int) -> dict[str, Any] | None:
    """Look at the first worker of a side for some seconds of executions.

    Args:
        plan: that is told of failures.
        side: that works.
        place: where it does.
        of: with what the picture's name begins.
        job: the executions.
        at_once: how many.

    Returns:
        As `look`; None when it could not be seen.
    """
    name = names.worker(side.name)
    process = workers.first(name, place.environments[side.name.rpartition(", ")[2]], place.folder)
    title, file = f"{name}, {side.name}", picture(of, side.name)
    seen = asyncio.create_task(look(title, process, place.seconds, place.pictures, file))
    while not seen.done():
        if await plan.attempt(side, job, at_once) is None:
            break
    try:
        found = await seen
    except Unseen as error:
        plan.fail(side.name, f"profile of the worker: {side.name}: {error}")
        return None
    say(f"profile: {side.name} {found}")
    return found


async def of_steps(plan: Plan, sides: Sequence[Side], place: Place) -> None:
    """Look at the workers of segments of tools, whose steps are the product's cheapest."""
    for side in sides:
        if names.bare(side.name) == names.SEGMENT:
            seen = await profile(plan, side, place, "steps", EMPTY, MANY)
            plan.found.steps_profile |= {side.name: seen} if seen else {}


async def of_agents(plan: Plan, sides: Sequence[Side], place: Place, work: str) -> None:
    """Look at Cairn's workers under as many agents as were found to be borne."""
    for side in sides:
        largest = plan.found.largest.get(work, {}).get(side.name)
        if largest and names.bare(side.name) in (names.STEP, names.SEGMENT):
            seen = await profile(plan, side, place, work, Job(LOAD_STEPS, 100, work), max(largest[0], 1))
            plan.found.load_profile.setdefault(work, {}).update({side.name: seen} if seen else {})


def picture(of: str, name: str) -> str:
    """Name the file of a flame graph."""
    return f"{of}-{name.replace(', ', '-').replace(' ', '-').lower()}.svg"


async def look(title: str, process: psutil.Process, seconds: int, pictures: Path, picture: str) -> dict[str, Any]:
    """Have py-spy look at a process in Python for some seconds; draw the flame graph.

    Returns:
        What the page shows: the picture's name, samples, share of the time in which the lock is held, shares of
        threads and of packages.

    Raises:
        Unseen: it could not.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "stacks.txt"
        before = _threads(process)
        await _record(process.pid, seconds, raw)
        spent = Counter(_threads(process))
        stacks = flame.read(raw.read_text().splitlines())
    spent.subtract(before)
    count, total = sum(count for _, count in stacks), spent.total()
    (pictures / picture).write_text(flame.svg(f"{title}: {count:,} samples", stacks))
    return {
        "picture": picture,
        "samples": count,
        "held": round(count / (RATE * seconds), 4),
        "threads": {name: round(time / total, 4) for name, time in spent.most_common() if time > 0},
        "packages": {name: round(share, 4) for name, share in flame.shares(stacks).items()},
    }


async def _record(pid: int, seconds: int, into: Path) -> None:
    program = Path(venvs.python("profile")).with_name("py-spy")
    told = ["--pid", str(pid), "--duration", str(seconds), "--rate", str(RATE), "--gil", "--format", "raw"]
    recording = await asyncio.create_subprocess_exec(
        *(str(program), "record", *told, "--output", str(into)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await recording.communicate()
    if recording.returncode:
        raise Unseen(said.decode(errors="replace").strip()[-200:])


def _threads(process: psutil.Process) -> Counter[str]:
    """Return the seconds of a process's threads, by what they are."""
    found: Counter[str] = Counter()
    for thread in process.threads():
        file = Path(f"/proc/{process.pid}/task/{thread.id}/comm")
        of_core = file.exists() and file.read_text().startswith(_CORE)
        name = "core of temporalio, in Rust" if of_core else "Python"
        found[name] += thread.user_time + thread.system_time
    return found
