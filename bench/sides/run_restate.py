"""Restate: ``run_restate.py INGRESS ADMIN``, the URLs of its server. The service is served by this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import uuid
from typing import Any

import httpx
import restate
import uvloop
from hypercorn.asyncio import serve as serve_app
from hypercorn.config import Config
from talk import Job, check, serve
from work import do, done

service = restate.Workflow("bench")
NO_LIMIT = 2**31 - 1


@service.main()
async def run(ctx: restate.WorkflowContext, job: dict[str, Any]) -> list[int]:
    """Do the steps one after the other."""
    if job["work"] == "wait":
        await ctx.promise("answer").value()
    kept: list[str] = []
    for _ in range(job["steps"]):
        text = await ctx.run_typed("step", do, work=job["work"], size=job["size"])
        kept = [*kept, text] if job["keep"] else [text]
    return [job["steps"], sum(map(len, kept))]


def listen() -> socket.socket:
    """Take a free port."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


async def main(ingress: str, admin: str) -> None:
    """Serve Restate and the driver."""
    config = Config()
    at = listen()
    config.bind = [f"fd://{at.fileno()}"]
    # As its documentation says for production.
    config.h2_max_concurrent_streams = config.keep_alive_max_requests = config.keep_alive_timeout = NO_LIMIT
    app = restate.app(services=[service])
    serving = asyncio.create_task(serve_app(app, config))
    limits = httpx.Limits(max_connections=NO_LIMIT)
    async with httpx.AsyncClient(timeout=900, trust_env=False, limits=limits) as client:
        registered = await client.post(f"{admin}/deployments", json={"uri": f"http://127.0.0.1:{at.getsockname()[1]}"})
        registered.raise_for_status()

        async def execute(job: Job) -> None:
            call = f"{ingress}/bench/{uuid.uuid4()}/run{'/send' if job.work == 'wait' else ''}"
            reply = (await client.post(call, json=vars(job))).raise_for_status().json()
            if job.work != "wait":
                check(job, *reply)

        await serve(execute, done=done)
    serving.cancel()  # not in order: what waits for a person would hold it
    with contextlib.suppress(asyncio.CancelledError):
        await serving


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
