"""The guide to code, scores and MCP servers: its graph runs with its server, and its figures and codes are right."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from installation import Cairn

from activities.code import CodeActivities
from activities.mcp import McpActivities
from cairn.graph.model import Definition
from cairn.graph.nodes import KINDS
from cairn.graph.nodes.score import Criterion
from cairn.graph.validate import ValidationContext, validate
from cairn.providers.mcp import server_names
from cairn.providers.sandbox import RESULT_LIMIT
from cairn.providers.sandbox.model import MEMORY_LIMIT
from cairn.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "code-score-mcp.md").read_text()


def block(kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


def codes(node: str) -> Iterator[str]:
    row = next(line for line in PAGE.partition("## Codes")[2].splitlines() if line.startswith(f"| `{node}`"))
    yield from re.findall(r"`(\w+)`", row.partition("|")[2].partition("|")[2])


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """An installation with the page's servers."""
    program = tmp_path / "shop_server.py"
    program.write_text(block("python shop_server"))
    servers = json.loads(block("json servers"))
    servers["mcpServers"]["shop"] |= {"command": sys.executable, "args": [str(program)]}
    file = tmp_path / "servers.json"
    file.write_text(json.dumps(servers))
    return settings.model_copy(update={"mcp_servers": file})


async def test_the_graph_runs(cairn: Cairn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t")
    definition = json.loads(block("json graph"))
    known = ValidationContext(known_mcp_servers=server_names(cairn.settings))
    assert validate(Definition.model_validate(definition), known) == []
    execution = await cairn.run(definition, {"items": ["tea", "pot", "unicorn"]})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data is not None
    assert done.output_data["total"] == 38.25
    card = done.output_data["card"]
    assert [each["name"] for each in card["criteria"]] == ["Complete", "Plausible"]
    assert card["passed"] is (card["score"] >= 0.5)
    assert [each.name for each in done.checkpoints if each.name in ("Look up", "Add up", "Judge")] == [
        "Look up", "Add up", "Judge",
    ]  # fmt: skip


async def test_an_error_edge_sees_why_code_failed(cairn: Cairn) -> None:
    definition = {
        "nodes": [
            {"id": "s", "type": "start", "data": {"name": "Start"}},
            {"id": "c", "type": "code", "data": {"name": "C", "code": "def run(input, state):\n    return 1 / 0"}},
            {"id": "ok", "type": "end", "data": {"name": "OK"}},
            {"id": "bad", "type": "end", "data": {"name": "Bad", "output": {"why": "outputs.c.error"}}},
        ],
        "edges": [
            {"id": "e1", "source": "s", "target": "c"},
            {"id": "e2", "source": "c", "target": "ok"},
            {"id": "e3", "source": "c", "target": "bad", "data": {"on": "error"}},
        ],
    }
    done = await cairn.reach((await cairn.run(definition)).id, "completed")
    assert done.output_data is not None
    why = done.output_data["why"]
    assert (why["code"], why["message"], why["attempt"]) == (
        "code_error",
        "node 'C' failed: ZeroDivisionError: division by zero",
        1,
    )


@pytest.mark.parametrize(("node", "activity"), [("code", CodeActivities.run_code), ("mcp", McpActivities.call_mcp)])
def test_the_codes_are_those_that_the_activity_names(node: str, activity: object) -> None:
    assert set(codes(node)) == set(re.findall(r"``(\w+)``", str(activity.__doc__).partition("Raises:")[2]))


def test_the_figures_are_right() -> None:
    assert (MEMORY_LIMIT, RESULT_LIMIT) == (256 * 1024**2, 10 * 1024**2)
    criterion = Criterion(name="x")
    assert (criterion.weight, criterion.min, criterion.max) == (1, 0, 5)
    assert {KINDS[kind].timeout for kind in ("code", "mcp", "score")} == {300}
