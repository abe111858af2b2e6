"""A graph that is stepped by hand, without any server."""

from __future__ import annotations

from datetime import UTC, datetime

from graphs import edge, node, noting

from cairn.contracts.executions import NodeFailure
from cairn.contracts.nodes import NodeResult
from cairn.graph import step
from cairn.graph.compiled import compile_graph
from cairn.graph.state import ExecutionState, Run

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Machine:
    """A graph that is stepped by hand."""

    def __init__(self, definition, input_data=None) -> None:
        self.graph = compile_graph(definition)
        self.state: ExecutionState = step.begin(self.graph, {"id": "e"}, input_data or {})
        self.runs: list[Run] = []
        self.reason: str | None = None

    def advance(self, now: datetime = NOW) -> list[str]:
        runs, self.reason = step.advance(self.graph, self.state, step.Line(now))
        self.runs += runs
        return [run.node_id for run in runs]

    def done(self, node_id: str, value=None, usage=None) -> list[str]:
        step.complete(self.graph, self.state, self.key(node_id), NodeResult(value=value, usage=usage))
        return self.advance()

    def failed(self, node_id: str, code: str = "broken") -> list[str]:
        failure = NodeFailure(code=code, message="it broke", node_id=node_id, attempt=2)
        step.fail(self.graph, self.state, self.key(node_id), failure)
        return self.advance()

    def key(self, node_id: str) -> str:
        return next(run.key for run in reversed(self.runs) if run.node_id == node_id)


def diamond(**join) -> dict:
    return {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            noting("l"),
            noting("r"),
            node("meet", "join", **join),
            node("end", "end", output={"all": "outputs.meet"}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "l", "left"),
            edge("fan", "r", "right"),
            edge("l", "meet"),
            edge("r", "meet"),
            edge("meet", "end"),
        ],
    }
