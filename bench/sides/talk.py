"""The side's end of the conversation with the driver: jobs on stdin, figures on stdout, one JSON object a line.

Of the standard library alone, since it runs in every peer's environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """One execution: a loop over one node.

    Attributes:
        steps: how often the node is run.
        size: characters that each run returns.
        work: ``produce`` (nothing but the text), ``think`` (as long as a model), ``ask`` (ask the model server), or
            ``wait``: for a person, before the first step.
        keep: each step's text is added to a list in the state, as a chat does; else the last one stands alone.
    """

    steps: int
    size: int
    work: str = "produce"
    keep: bool = False


Execute = Callable[[Job], Awaitable[None]]
"""Runs one execution to its end, and fails unless it did all its steps."""


def check(job: Job, done: int, size: int) -> None:
    """Raise unless an execution did all its steps and has a text of the right size."""
    wanted = job.size * job.steps if job.keep else job.size
    if done != job.steps or (job.work == "produce" and size != wanted):
        raise RuntimeError(f"{done} of {job.steps} steps, a text of {size}, not {wanted}")


Travel = Callable[[Job], Awaitable[dict[str, float]]]
"""Runs one execution, goes back to before its last step in each way it has; returns the seconds by way."""


Done = Callable[[], int]
"""Tells how many steps this process has done."""


async def run(execute: Execute, job: Job, at_once: int, done: Done | None = None) -> dict[str, Any]:
    """Run so many executions at once; return the seconds of all.

    Raises:
        RuntimeError: less steps were done than executions say: what one has brought was taken for what others bring.
    """
    before = done() if done else 0
    seconds = await timed(asyncio.gather(*(execute(job) for _ in range(at_once))))
    if done and job.work != "wait" and done() - before < job.steps * at_once:
        raise RuntimeError(f"{done() - before} of {job.steps * at_once} steps were done")
    return {"seconds": seconds}


async def timed(work: Awaitable[Any]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def told(error: BaseException) -> str:
    """Return what is told of an error: itself, and what it comes from."""
    text = f"{type(error).__name__}: {error}"
    return text if error.__cause__ is None else f"{text}; from {told(error.__cause__)}"


async def serve(
    execute: Execute, prepare: Execute | None = None, travel: Travel | None = None, done: Done | None = None
) -> None:
    """Do the driver's jobs, one after the other, until it closes the pipe.

    Args:
        execute: runs one execution.
        prepare: does what comes once before a job's executions, and is not measured.
        travel: goes back in an execution; None for a side that cannot.
        done: tells how many steps were done; None for a side whose steps are done in other processes.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to the log
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        at_once = asked.pop("at_once")
        try:
            job = Job(**asked)
            if prepare is not None:
                await prepare(job)
            if at_once:
                answer = await run(execute, job, at_once, done)
            else:
                answer = {} if travel is None else await travel(job)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": told(error)[:500]}
        print(json.dumps(answer), file=answers, flush=True)
