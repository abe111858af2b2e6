"""What is there for chains of requests, and bodies that are about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agentflow_agents import make
from graphs import node, sequence
from installation import until
from phone import pizzeria
from sampling import BODIES
from served import Caller

from cairn.contracts.json import JsonObject

PEOPLE = 8
"""Requests of each kind that wait for a person: each answer, and each end of an execution, takes one away."""
SQUARE: JsonObject = {
    "args_schema": {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]},
    "function_code": "def run(n):\n    return n * n",
}
TOOL: JsonObject = {**SQUARE, "name": "square_UNIQUE", "description": "Square a number.", "kind": "python"}


async def omium(caller: Caller) -> JsonObject:
    """Executions that ended, and schedules that do not fire by themselves."""
    graph = (await caller.publish(sequence(node("wait", "question", prompt="Go on?"))))["uuid"]
    executions = "POST /api/v1/executions"
    one = executions + "/{execution_id}"
    return {
        executions: {"workflow_id": graph},
        f"{one}/migrate": BODIES["migrate_execution"],
        **{f"{one}/{verb}": BODIES[f"{verb}_execution"] for verb in ("fork", "replay", "rollback")},
        "POST /api/v1/schedules": {
            "name": "night",
            "workflow_id": graph,
            "spec": {"cron": "0 3 1 1 *", "time_zone": "UTC"},
        },
    }


async def voice(caller: Caller) -> JsonObject:
    """A graph that is valid and can be called."""
    trigger = node("t", "trigger", trigger_path="UNIQUE")
    templates = (await caller.http.get("/api/v1/workflow/templates")).json()
    return {
        "POST /api/v1/workflow/create/definition": {"name": "Pizza", "definition": pizzeria(trigger)},
        "POST /api/v1/workflow/templates/duplicate": {"name": "Copy", "template_id": templates[0]["template_id"]},
        "POST /api/v1/tools/": BODIES["create_tool"],
        "POST /api/v1/public/agent/{trigger_path}": {},
        "POST /api/v1/public/agent/test/{trigger_path}": {},
        "PUT /api/v1/workflow/{workflow_id}/folder": {"folder_id": None},
    }


async def agentflow(caller: Caller) -> JsonObject:
    """An agent that can calculate, and people who are asked."""
    agent = (await make(caller, tools=["calculate"]))["id"]
    for kind in ("approval", "question"):
        asking = sequence(node("ask", kind, prompt="Go on?"))
        await asyncio.gather(*(caller.start(asking) for _ in range(PEOPLE)))
        await until(lambda kind=kind: _asked(caller, f"/api/v1/{kind}s/pending"))
    one = "POST /api/v1/agent/{agent_id}"
    said = {"message": "How much is 6 * 7?", "stream": False}
    return {
        "POST /api/v1/agents": {"name": "Clerk", "tools": ["calculate"]},
        "POST /api/v1/conversations": {"agent_id": agent},
        f"{one}/subagents": {"name": "Below", "tools": ["calculate"]},
        f"{one}/subagents/{{subagent_id}}/tools": {"tool": "calculate"},
        f"{one}/subagents/{{subagent_id}}/run": said,
        f"{one}/chat": said,
        f"{one}/tools": TOOL,
        f"{one}/tools/persist": TOOL,
        f"{one}/tools/dry-run": {**SQUARE, "arguments": {"n": 3}},
        f"{one}/tools/{{tool}}/run": {"arguments": {"n": 3}},
    }


async def _asked(caller: Caller, pending: str) -> bool:
    return (await caller.http.get(pending)).json()["total"] == PEOPLE


WORLDS: dict[str, Callable[[Caller], Awaitable[JsonObject]]] = {"omium": omium, "voice": voice, "agentflow": agentflow}
"""By surface: makes what chains need, and returns the bodies that operations get in them."""
