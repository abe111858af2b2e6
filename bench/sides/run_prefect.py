"""Prefect: ``run_prefect.py``, against the server that ``PREFECT_API_URL`` names. Results are persisted."""

from __future__ import annotations

import uvloop
from prefect import flow, task
from talk import Job, check, serve
from work import do, done


@task(persist_result=True)
async def step(number: int, work: str, size: int) -> str:
    """Do one step. Its number is told because Prefect does a task with the same arguments once in a run."""
    return await do(work, size)


@flow(persist_result=True)
async def loop(steps: int, size: int, work: str, keep: bool) -> tuple[int, int]:
    """Do the steps one after the other."""
    kept: list[str] = []
    for number in range(steps):
        text = await step(number, work, size)
        kept = [*kept, text] if keep else [text]
    return steps, sum(map(len, kept))


async def execute(job: Job) -> None:
    """Run one execution."""
    check(job, *await loop(job.steps, job.size, job.work, job.keep))


if __name__ == "__main__":
    uvloop.run(serve(execute, done=done))
