"""What people are asked is checked before a graph is published."""

from __future__ import annotations

from graphs import node, sequence

from cairn.contracts.json import JsonObject
from cairn.graph.model import Definition
from cairn.graph.validate import validate


def fields(definition: JsonObject) -> list[tuple[str | None, str | None]]:
    return [(issue.id, issue.field) for issue in validate(Definition.model_validate(definition))]


def test_a_tool_that_needs_approval_is_one_of_the_agents() -> None:
    agent = node("a", "agent", prompt="?", tools=["refund"], require_approval=["refnud"])
    assert fields(sequence(agent)) == [("a", "data.require_approval.0")]


def test_the_schema_of_an_answer_is_a_schema() -> None:
    question = node("q", "question", prompt="?", schema={"type": "strng"})
    assert fields(sequence(question)) == [("q", "data.schema")]
