"""What a program does while it is under load: its threads by the processor's time, its Python by py-spy."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from sides import flame, names, venvs, workers
from sides.plan import Plan, say
from sides.side import Side
from sides.talk import Job

RATE = 100
SECONDS = 20
_CORE = ("tokio-", "workflow-proces", "temporal-")
"""How the names begin of the threads that run no Python."""

_JOB, _AT_ONCE = Job(20, 100), 40


class Unseen(RuntimeError):
    """py-spy has not seen a process; what it said."""


async def profile(
    plan: Plan, side: Side, environment: Mapping[str, str], folder: Path, seconds: int, pictures: Path
) -> None:
    """Look at the first worker of a side for some seconds of steps.

    Args:
        plan: whose figures get the shares.
        side: that works.
        environment: of the installation.
        folder: of its data.
        seconds: how long.
        pictures: folder that gets the flame graph.
    """
    name = names.worker(side.name)
    process = workers.first(name, environment, folder)
    seen = asyncio.create_task(look(f"{name}, {side.name}", process, seconds, pictures, picture("worker", side.name)))
    while not seen.done():
        if await plan.attempt(side, _JOB, _AT_ONCE) is None:
            break
    try:
        plan.found.profile[side.name] = await seen
    except Unseen as error:
        plan.fail(side.name, f"profile of the worker: {side.name}: {error}")
    else:
        say(f"profile: {side.name} {plan.found.profile[side.name]}")


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
