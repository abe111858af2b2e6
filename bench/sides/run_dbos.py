"""DBOS: ``run_dbos.py DSN``."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from dbos import DBOS
from talk import Job, check, serve, timed
from work import do, done

POOL = 20
"""Connections to the system database, its default."""

FORKS, LOOKS = "forks", 0.05
"""The queue of forks, and seconds between two looks at it, and at whether one has ended; by itself it is 1 s each."""

KNOWN = 2.5
"""Seconds after which DBOS looks at a new queue."""


@DBOS.step()
async def step(work: str, size: int) -> str:
    """Do one step."""
    return await do(work, size)


@DBOS.workflow()
async def loop(steps: int, size: int, work: str, keep: bool) -> tuple[int, int]:
    """Do the steps one after the other."""
    kept: list[str] = []
    if work == "wait":
        await DBOS.recv_async("answer", timeout_seconds=86_400)
    for _ in range(steps):
        text = await step(work, size)
        kept = [*kept, text] if keep else [text]
    return steps, sum(map(len, kept))


async def execute(job: Job) -> None:
    """Run one execution."""
    handle = await DBOS.start_workflow_async(loop, job.steps, job.size, job.work, job.keep)
    if job.work != "wait":
        check(job, *await handle.get_result())


async def travel(job: Job) -> dict[str, float]:
    """Fork an execution before its last step; steps are numbered from 1."""
    handle = await DBOS.start_workflow_async(loop, job.steps, job.size, job.work, job.keep)
    await handle.get_result()
    # It is there for as long as this takes, so that looks at it take no other side's time.
    await DBOS.register_queue_async(FORKS, polling_interval_sec=LOOKS)
    await asyncio.sleep(KNOWN)

    async def fork() -> None:
        forked = await DBOS.fork_workflow_async(handle.get_workflow_id(), job.steps, queue_name=FORKS)
        check(job, *await forked.get_result(polling_interval_sec=LOOKS))

    try:
        return {"fork": await timed(fork())}
    finally:
        await DBOS.delete_queue_async(FORKS)


async def main(dsn: str) -> None:
    """Serve the driver."""
    DBOS(
        config={
            "name": "bench",
            "system_database_url": dsn.replace("postgresql:", "postgresql+psycopg:"),
            "sys_db_pool_size": POOL,
            "console_log_level": "ERROR",
            "log_level": "ERROR",
            "enable_otlp": False,
        }
    )
    DBOS.launch()
    try:
        await serve(execute, travel=travel, done=done)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
