"""What a worker does while it is under load: its threads by the processor's time, its Python by py-spy."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

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


async def profile(
    plan: Plan, side: Side, environment: Mapping[str, str], folder: Path, seconds: int, pictures: Path
) -> None:
    """Record the first worker of a side for some seconds of steps.

    Args:
        plan: whose figures get the shares.
        side: that works.
        environment: of the installation.
        folder: of its data.
        seconds: how long.
        pictures: folder that gets the flame graph.
    """
    process = workers.first(names.worker(side.name), environment, folder)
    raw = folder / "profile.txt"
    before, (failed, said) = _threads(process), await _record(plan, side, process.pid, seconds, raw)
    spent = Counter(_threads(process))
    spent.subtract(before)
    if failed:
        plan.fail(side.name, f"profile of the worker: {side.name}: {said[-200:]}")
        return
    stacks = flame.read(raw.read_text().splitlines())
    picture = f"worker-{side.name.replace(', ', '-').replace(' ', '-').lower()}.svg"
    count = sum(count for _, count in stacks)
    (pictures / picture).write_text(flame.svg(f"{names.worker(side.name)}, {side.name}: {count:,} samples", stacks))
    total = spent.total()
    plan.found.profile[side.name] = {
        "picture": picture,
        "samples": count,
        "held": round(count / (RATE * seconds), 4),
        "threads": {name: round(time / total, 4) for name, time in spent.most_common() if time > 0},
        "packages": {name: round(share, 4) for name, share in flame.shares(stacks).items()},
    }
    say(f"profile: {side.name} {plan.found.profile[side.name]}")


async def _record(plan: Plan, side: Side, pid: int, seconds: int, into: Path) -> tuple[bool, str]:
    """Let a side work for as long as py-spy looks at its worker; return whether that failed, and what it said."""
    program = Path(venvs.python("profile")).with_name("py-spy")
    told = ["--pid", str(pid), "--duration", str(seconds), "--rate", str(RATE), "--gil", "--format", "raw"]
    recording = await asyncio.create_subprocess_exec(
        str(program),
        "record",
        *told,
        "--output",
        str(into),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    ended = asyncio.create_task(recording.communicate())
    while not ended.done():
        if await plan.attempt(side, _JOB, _AT_ONCE) is None:
            break
    said, _ = await ended
    return bool(recording.returncode), said.decode(errors="replace").strip()


def _threads(process: psutil.Process) -> Counter[str]:
    """Return the seconds of a process's threads, by what they are."""
    found: Counter[str] = Counter()
    for thread in process.threads():
        file = Path(f"/proc/{process.pid}/task/{thread.id}/comm")
        of_core = file.exists() and file.read_text().startswith(_CORE)
        name = "core of temporalio, in Rust" if of_core else "Python"
        found[name] += thread.user_time + thread.system_time
    return found
