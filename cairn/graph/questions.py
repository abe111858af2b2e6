"""Questions that an agent's model asks people: its call of the tool `ask_user` is a wait for their answer."""

from __future__ import annotations

from datetime import datetime

from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import ASK_USER
from cairn.graph.compiled import GraphNode
from cairn.graph.nodes.agent import AgentData, Questions
from cairn.graph.state import InFlight, ToolCall, Wait
from cairn.graph.waits import later, request_id

IN_VAIN = "nobody answered in time"
_ANY: JsonObject = {"type": "string", "minLength": 1, "maxLength": 65_536}


def asked(node: GraphNode, call: ToolCall) -> Questions | None:
    """Return how people are asked what a model's call asks; None when it is no question."""
    return node.data.questions if isinstance(node.data, AgentData) and call.tool == ASK_USER else None


def make_question(
    node: GraphNode, visit: int, call: ToolCall, key: str, now: datetime, line: str, temporal_id: str
) -> Wait:
    """Return the wait for the answer to a model's question.

    Args:
        node: the agent's.
        visit: which visit of it.
        call: of the tool, its arguments checked.
        key: of the work.
        now: workflow time.
        line: the execution's line.
        temporal_id: the execution's Temporal workflow id.
    """
    how = asked(node, call) or Questions()
    options: list[Json] | None = call.arguments.get("options") or None
    chosen: JsonObject = {"enum": options}
    free = {"anyOf": [chosen, _ANY]} if call.arguments.get("free_text") else chosen
    return Wait(
        key=key,
        node_id=node.id,
        visit=visit,
        summary=f"{node.name}: a question",
        what="question",
        data={
            "prompt": str(call.arguments.get("question") or ""),
            "options": options,
            "schema": free if options else _ANY,
            "assignees": list(how.assignees),
        },
        deadline=later(now, how.timeout) if how.timeout is not None else None,
        request_id=request_id("question", temporal_id, key, line),
    )


def is_question(work: InFlight) -> bool:
    """Whether the work is a wait for an answer to a question."""
    return isinstance(work.run, Wait) and work.run.what == "question"
