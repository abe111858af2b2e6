"""No side has an event loop that is slower than Cairn's own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
PEERS = [BENCH / "sides" / f"run_{name}.py" for name in ("langgraph", "dbos", "restate", "prefect", "conductor")]
SIDES = sorted([BENCH / "handwritten.py", *(BENCH / "sides").glob("run_*.py")])


@pytest.mark.parametrize("program", SIDES, ids=lambda each: each.stem)
def test_each_side_runs_on_uvloop(program: Path) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(program.read_text())) if isinstance(node, ast.Call)}
    assert "uvloop.run" in called
    assert not called & {"asyncio.run", "asyncio.Runner"}


@pytest.mark.parametrize("program", PEERS, ids=lambda each: each.stem)
def test_steps_of_each_peer_are_counted_where_they_are_done(program: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(program.read_text())) if isinstance(node, ast.Call)]
    (serves,) = (each for each in calls if ast.unparse(each.func) == "serve")
    assert {each.arg: ast.unparse(each.value) for each in serves.keywords}["done"] == "done"
