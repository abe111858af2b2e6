"""The worker is killed (-9) in the middle of what a request waits for: the request is answered, once, all the same."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from agentflow_agents import make
from crash.site import SOON, Site, new_key
from servers.openai_server import OpenAIServer, answer, gated, text
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import Client, WorkflowExecutionDescription

from cairn.contracts.json import JsonObject
from cairn.contracts.tool_trials import TRY_TOOL_WORKFLOW_TYPE
from cairn.temporal.connection import connect
from chaos.programs import until

pytestmark = pytest.mark.timeout(300)

STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
BEGAN = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
STORY = "Once upon a time there was a rope."
GRAPH: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start", "data": {"name": "Start"}},
        {"id": "end", "type": "end", "data": {"name": "End", "output": {"said": "input.text"}}},
    ],
    "edges": [{"id": "e", "source": "start", "target": "end"}],
}


async def interrupted(site: Site, model: OpenAIServer, path: str, body: JsonObject) -> JsonObject:
    """Return what a request is answered whose worker dies while the model writes; the second answer is whole."""
    gate, key = asyncio.Event(), new_key()
    model.will(gated(STORY, gate, after=4), answer(GRAPH) if "template" in path else text(STORY))
    headers = {"Idempotency-Key": key}
    asked = asyncio.create_task(site.caller.http.post(f"/api/v1{path}", json=body, headers=headers, timeout=3 * SOON))
    async with asyncio.timeout(3 * SOON):
        await until(lambda: model.requests, SOON, "a request to the model")
        await site.worker.kill()
        gate.set()
        await site.restart(site.worker)
        made = await asked
    assert made.status_code == 200, made.text
    again = await site.post(path, body, key)
    assert (again.status_code, again.json()) == (200, made.json())
    assert len(model.requests) == 2
    return made.json()


async def test_a_direct_call_outlives_its_worker(site: Site, model: OpenAIServer) -> None:
    body: JsonObject = {"model": "openai:gpt-4o", "messages": [{"role": "user", "content": "Go on"}], "stream": False}
    made = await interrupted(site, model, "/llm/chat", body)
    assert made["content"] == STORY


async def test_a_graph_is_written_though_its_worker_dies(site: Site, model: OpenAIServer) -> None:
    name = f"written {uuid.uuid4().hex[:8]}"
    made = await interrupted(
        site, model, "/workflow/create/template", {"name": name, "template_description": "Say it."}
    )
    listed = await site.caller.http.get("/api/v1/workflow/summary")
    assert [each["name"] for each in listed.json()].count(name) == 1, made


async def trial(client: Client) -> WorkflowExecutionDescription | None:
    """Return the trial of code that a worker has in hand."""
    query = f"WorkflowType = '{TRY_TOOL_WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
    async for each in client.list_workflows(query):
        found = await client.get_workflow_handle(each.id).describe()
        if any(work.state == STARTED for work in found.raw_description.pending_activities):
            return found
    return None


async def test_code_is_tried_though_its_worker_dies(site: Site) -> None:
    agent, client = (await make(site.caller))["id"], await connect(site.settings, lazy=False)
    body: JsonObject = {
        "function_code": "def run(n):\n    for i in range(n):\n        sum(range(100_000))\n    return n",
        "args_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        "arguments": {"n": 300},
        "execution_timeout": 30,
    }
    asked = asyncio.create_task(site.post(f"/agent/{agent}/tools/dry-run", body, new_key()))
    found = await until(lambda: trial(client), SOON, "a worker that tries the code")
    await site.worker.kill()
    await site.restart(site.worker)
    made = await asked
    assert made.status_code == 200, made.text
    assert made.json()["result"] == 300
    history = await client.get_workflow_handle(found.id).fetch_history()
    assert [e.activity_task_started_event_attributes.attempt for e in history.events if e.event_type == BEGAN] == [2]
