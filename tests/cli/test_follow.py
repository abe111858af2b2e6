"""The lines that follow an execution."""

from __future__ import annotations

import io

from rich.console import Console

from cairn.cli.follow import Progress
from cairn.contracts.json import JsonObject


def event(kind: str, second: int, **data: str) -> JsonObject:
    node = {"name": "Answer", "visit": 1, "attempt": 1, **data}
    return {"type": kind, "at": f"2026-01-01T00:00:{second:02}Z", "node_id": "a", "data": node}


def test_a_tool_call_of_an_agent_has_the_name_of_its_tool_and_its_own_time() -> None:
    written = io.StringIO()
    with Progress(Console(file=written, width=100)) as progress:
        progress.take(event("node_started", 0, call="turn1.0", tool="echo"))
        progress.take(event("node_started", 3, call="turn1.1", tool="calculate"))
        progress.take(event("node_completed", 4, call="turn1.0", tool="echo"))
        progress.take(event("node_completed", 5, call="turn1.1", tool="calculate"))
    lines = [line.split() for line in written.getvalue().splitlines()]
    assert [line[3:] for line in lines] == [["Answer:", "echo", "4.00", "s"], ["Answer:", "calculate", "2.00", "s"]]
