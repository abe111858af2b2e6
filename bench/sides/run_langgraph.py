"""LangGraph: ``run_langgraph.py sync|async|exit DSN``, or a file instead of the DSN for SQLite."""

from __future__ import annotations

import itertools
import operator
import sys
import uuid
from contextlib import AsyncExitStack
from typing import Annotated, Any, TypedDict

import uvloop
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from talk import Job, check, serve, timed
from work import do, done

# A saver holds one lock round each of its statements, however many connections its pool has; so there are several.
SAVERS = 8


class Last(TypedDict):
    """A state whose text is replaced by each step."""

    done: int
    steps: int
    text: str


class Kept(TypedDict):
    """A state to whose list each step adds its text."""

    done: int
    steps: int
    text: Annotated[list[str], operator.add]


async def step(state: Last | Kept, runtime: Runtime[Job]) -> dict[str, Any]:
    """Do one step; one that waits for a person is interrupted, and its execution ends until it is asked to go on."""
    if runtime.context.work == "wait":
        interrupt("Go on?")
    text = await do(runtime.context.work, runtime.context.size)
    return {"done": state["done"] + 1, "text": [text] if runtime.context.keep else text}


def again(state: Last | Kept) -> str:
    """Say where to go after a step."""
    return "step" if state["done"] < state["steps"] else END


def build(schema: type[Last] | type[Kept], saver: Any) -> Any:
    """Return the loop."""
    graph = StateGraph(schema, context_schema=Job)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", again, ["step", END])
    return graph.compile(checkpointer=saver)


async def savers(where: str, stack: AsyncExitStack) -> list[Any]:
    """Open the checkpointers as their documentation says."""
    if not where.startswith("postgresql:"):
        return [await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(where))]
    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool = AsyncConnectionPool(where, min_size=SAVERS, max_size=SAVERS, open=False, kwargs=settings)
    await stack.enter_async_context(pool)
    return [AsyncPostgresSaver(pool) for _ in range(SAVERS)]


async def main(durability: str, where: str) -> None:
    """Serve the driver."""
    async with AsyncExitStack() as stack:
        opened = await savers(where, stack)
        await opened[0].setup()
        graphs = {kept: itertools.cycle([build(Kept if kept else Last, each) for each in opened]) for kept in (0, 1)}

        async def execute(job: Job) -> None:
            first = {"done": 0, "steps": job.steps, "text": [] if job.keep else ""}
            await go(job, first, thread(job))

        async def go(job: Job, given: Any, config: Any) -> None:
            found = await next(graphs[job.keep]).ainvoke(given, config, context=job, durability=durability)
            if job.work == "wait" and "__interrupt__" in found:
                return
            check(job, found["done"], len("".join(found["text"])))

        async def travel(job: Job) -> dict[str, float]:
            config = thread(job)
            await go(job, {"done": 0, "steps": job.steps, "text": ""}, config)
            graph = next(graphs[False])
            before = [each async for each in graph.aget_state_history(config, limit=2)][-1]
            back = {**config, "configurable": before.config["configurable"]}

            async def fork() -> None:
                made = await graph.aupdate_state(back, {"text": ""})
                await go(job, None, {**config, "configurable": made["configurable"]})

            return {"fork": await timed(fork()), "replay": await timed(go(job, None, back))}

        # What is written at the exit alone has no checkpoint to go back to.
        await serve(execute, travel=None if durability == "exit" else travel, done=done)


def thread(job: Job) -> dict[str, Any]:
    """Return the configuration of a new thread."""
    return {"configurable": {"thread_id": str(uuid.uuid4())}, "recursion_limit": job.steps + 5}


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
