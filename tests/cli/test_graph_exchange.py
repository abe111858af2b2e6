"""``cairn graph export`` and ``import``, against a served API."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from installation import Cairn
from served import Caller, Callers, served

from cairn.domain.templates import find_template

FIXTURES = Path(__file__).parents[1] / "graph" / "imports"


@pytest.fixture
async def author(idle_cairn: Cairn) -> AsyncIterator[Caller]:
    async with served(idle_cairn.settings) as url:
        callers = Callers(url, idle_cairn.database, idle_cairn.settings)
        yield await callers.new()
        await callers.close()


async def cairn(author: Caller, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CAIRN_API_URL": str(author.http.base_url), "CAIRN_API_KEY": author.key}
    command = [sys.executable, "-m", "cairn", "graph", *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def test_a_graph_goes_out_and_comes_in_as_it_was(author: Caller, tmp_path: Path) -> None:
    body = {"template_id": "lead-qualification", "name": "Leads"}
    made = (await author.http.post("/api/v1/workflow/templates/duplicate", json=body)).json()
    configuration = {"max_call_duration": 60, "own": ["ü"]}
    await author.http.put(f"/api/v1/workflow/{made['id']}", json={"configuration": configuration})
    file = tmp_path / "leads.json"
    out = await cairn(author, "export", "Leads", "--to", str(file), "--json")
    assert json.loads(out.stdout)["nodes"] == len(made["definition"]["nodes"]), out
    taken = await cairn(author, "import", str(file))
    assert taken.returncode == 1 and "Give another --name" in taken.stderr
    done = await cairn(author, "import", str(file), "--name", "Leads again", "--json")
    report = json.loads(done.stdout)
    assert (report["format"], report["version_status"], report["notes"]) == ("cairn", "published", []), done
    again = (await author.http.get(f"/api/v1/workflow/fetch/{report['uuid']}")).json()
    assert again["definition"] == made["definition"] == find_template("lead-qualification").template_json
    assert again["configuration"] == configuration
    second = await cairn(author, "export", report["uuid"], "--published")
    assert json.loads(second.stdout) == {**json.loads(file.read_text()), "name": "Leads again"}


async def test_paths_of_triggers_are_taken_once(author: Caller, tmp_path: Path) -> None:
    body = {"template_id": "inbound-support", "name": "Support"}
    await author.http.post("/api/v1/workflow/templates/duplicate", json=body)
    file = tmp_path / "support.json"
    await cairn(author, "export", "Support", "--to", str(file))
    clash = await cairn(author, "import", str(file), "--name", "Copy")
    assert clash.returncode == 1 and "trigger" in clash.stderr.lower()
    done = await cairn(author, "import", str(file), "--name", "Copy", "--new-triggers")
    assert done.returncode == 0 and "is published" in done.stdout, done


async def test_graphs_of_other_tools_come_with_a_report(author: Caller, tmp_path: Path) -> None:
    n8n = await cairn(author, "import", str(FIXTURES / "n8n" / "order_triage.json"))
    assert n8n.returncode == 0, n8n
    assert "n8n: 7 nodes mapped as they are, 3 notes" in n8n.stdout
    assert "missing  Notify: Nodes of type n8n-nodes-base.slack have no counterpart" in n8n.stdout
    assert "Unknown tool: 'n8n.slack'" in n8n.stdout and "Order triage: version 1 is draft" in n8n.stdout
    rag = await cairn(author, "import", str(FIXTURES / "langgraph" / "rag.json"), "--json")
    report = json.loads(rag.stdout)
    assert (report["format"], report["name"], report["version_status"]) == ("langgraph", "rag", "published")
    file = tmp_path / "fan.json"
    offline = await cairn(author, "import", str(FIXTURES / "langgraph" / "fan_out.json"), "--to", str(file))
    assert offline.returncode == 0 and json.loads(file.read_text())["name"] == "fan_out"
    (tmp_path / "list.json").write_text('{"nodes": 5}')
    wrong = await cairn(author, "import", str(tmp_path / "list.json"), "--json")
    assert wrong.returncode == 1 and "holds no graph that can be read" in json.loads(wrong.stdout)["error"]["message"]
