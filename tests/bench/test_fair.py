"""No side has an event loop that is slower than Cairn's own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
SIDES = sorted([BENCH / "handwritten.py", *(BENCH / "sides").glob("run_*.py")])


@pytest.mark.parametrize("program", SIDES, ids=lambda each: each.stem)
def test_each_side_runs_on_uvloop(program: Path) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(program.read_text())) if isinstance(node, ast.Call)}
    assert "uvloop.run" in called
    assert not called & {"asyncio.run", "asyncio.Runner"}
