"""Agents for tests of the API."""

from __future__ import annotations

from served import Caller

from cairn.contracts.json import JsonObject

AGENTS = "/api/v1/agents"
AGENT = "/api/v1/agent/"


async def make(caller: Caller, **values) -> JsonObject:
    """Make an agent."""
    made = await caller.http.post(AGENTS, json={"name": "Agent", **values})
    assert made.status_code == 201, made.text
    return made.json()


async def make_below(caller: Caller, agent: str, **values) -> JsonObject:
    """Make an agent under another one."""
    made = await caller.http.post(f"{AGENT}{agent}/subagents", json={"name": "Below", **values})
    assert made.status_code == 201, made.text
    return made.json()


async def execution(caller: Caller, agent: str, message: str) -> JsonObject:
    """Start a run of an agent."""
    body = {"workflow_id": agent, "input_data": {"message": message}}
    started = await caller.http.post("/api/v1/executions", json=body)
    assert started.status_code == 201, started.text
    return started.json()
