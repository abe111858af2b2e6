"""Dry runs of tools, and looks at those of MCP servers, are workflows of their own, done once a request."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from agentflow_agents import AGENT, make
from installation import Cairn, until
from served import Caller
from servers import mcp_server

from cairn.settings import Settings

SCHEMA = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
DRY = {"function_code": "def run(n):\n    return n + n", "args_schema": SCHEMA, "arguments": {"n": 2}}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """An installation with an MCP server, with each kind of database."""
    program = {"command": sys.executable, "args": [str(Path(mcp_server.__file__))]}
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"program": program}}))
    return settings.model_copy(update={"mcp_servers": file})


async def ended(cairn: Cairn, kind: str) -> list[str]:
    """Return the workflows of a type that have ended."""
    query = f"WorkflowType = '{kind}' AND TaskQueue = '{cairn.settings.task_queue}'"
    found = [each async for each in cairn.client.list_workflows(query)]
    return [each.id for each in found if each.status and each.status.name != "RUNNING"]


@pytest.mark.history("tool_trials/tried")
async def test_the_same_dry_run_is_one(author: Caller, cairn: Cairn) -> None:
    path = f"{AGENT}{(await make(author))['id']}/tools/dry-run"
    replies = [await author.http.post(path, json=DRY, headers={"Idempotency-Key": "d"}) for _ in range(2)]
    assert [each.json()["result"] for each in replies] == [4, 4]
    cairn.started[:] = await until(lambda: ended(cairn, "TryTool"))
    assert len(cairn.started) == 1


@pytest.mark.history("tool_trials/described")
async def test_a_server_is_asked_for_the_schema(author: Caller, cairn: Cairn) -> None:
    path = f"{AGENT}{(await make(author))['id']}/tools"
    body = {"name": "plus", "kind": "mcp", "mcp": {"server": "program", "tool": "add"}}
    made = await author.http.post(path, json=body)
    assert made.status_code == 201, made.text
    assert made.json()["args_schema"]["required"] == ["a", "b"]
    cairn.started[:] = await until(lambda: ended(cairn, "DescribeMcpTool"))
    assert len(cairn.started) == 1


async def test_without_a_worker_it_is_told(idle_cairn: Cairn, monkeypatch: pytest.MonkeyPatch) -> None:
    from cairn.contracts.tool_trials import ToolTrial
    from cairn.errors import Unavailable
    from cairn.temporal import tool_trials

    monkeypatch.setattr(tool_trials, "_GRACE", 0.5)
    client = tool_trials.ToolTrialClient(idle_cairn.client, idle_cairn.settings)
    trial = ToolTrial(tenant="acme", code=DRY["function_code"], arguments={"n": 1}, timeout=1)
    with pytest.raises(Unavailable) as refused:
        await client.run(trial)
    assert refused.value.code == "timeout" and refused.value.retry_after
