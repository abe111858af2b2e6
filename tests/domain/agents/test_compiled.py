"""The graph of an agent does what its configuration says."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.domain.agents.compiled import definition_of, refuse
from cairn.domain.agents.config import read_config
from cairn.domain.agents.model import AgentName
from cairn.errors import InvalidInput
from cairn.graph.model import Definition
from cairn.graph.nodes.agent import AgentData
from cairn.graph.templates import compile_text
from cairn.graph.validate import ValidationContext, validate

KNOWN = ValidationContext(known_tools=frozenset({"calculate", "echo"}))


def compiled(**values: Any) -> tuple[Definition, AgentData]:
    definition = Definition.model_validate(definition_of(read_config({"name": "Clerk", **values})))
    return definition, AgentData.model_validate(definition.nodes[1].data)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "instructions": "Write {{name}} and {% raw %} as they stand.",
            "model": "openai:gpt-5.2",
            "temperature": 0.5,
            "tools": ["calculate", "echo"],
            "approval_defaults": {"enabled": True, "timeout_seconds": 60},
            "approvals": {"echo": {"enabled": False}},
            "output_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "max_turns": 5,
            "max_cost": 1.5,
        },
    ],
)
def test_it_is_a_valid_graph(values: dict[str, Any]) -> None:
    definition, data = compiled(**values)
    assert validate(definition, KNOWN) == []
    for name in ("model", "temperature", "max_turns", "max_cost", "output_schema", "tools"):
        if name in values:
            assert getattr(data, name) == values[name]


def test_blocks_are_rendered_before_the_model_is_asked() -> None:
    said = {"prompt_blocks": ["shop", "style"], "context_blocks": ["style", "conversation"]}
    definition = Definition.model_validate(definition_of(read_config({"name": "Clerk", "instructions": "Be.", **said})))
    assert validate(definition, KNOWN) == []
    assert [each.type for each in definition.nodes] == ["start", "context", "agent", "end"]
    assert definition.nodes[1].data["blocks"] == ["shop", "style", "conversation"]
    scope: dict[str, Any] = {
        "input": {"message": "m"},
        "state": {"instructions": "Be."},
        "outputs": {"context": {"system": "<a/>", "user": "<b/>\n\n"}},
    }
    texts = [compile_text(definition.nodes[2].data[name]).render(scope) for name in ("system", "prompt")]
    assert texts == ["Be.\n\n<a/>", "<b/>\n\nm"]
    scope["outputs"] = {"context": {"system": "", "user": ""}}
    texts = [compile_text(definition.nodes[2].data[name]).render(scope) for name in ("system", "prompt")]
    assert texts == ["Be.", "m"]
    assert len(definition_of(read_config({"name": "Clerk"}))["nodes"]) == 3


def test_an_agent_with_skills_can_read_them() -> None:
    config = read_config(
        {"name": "Clerk", "skills": ["refunds"], "tools": ["echo"], "approval_defaults": {"enabled": True}}
    )
    definition = Definition.model_validate(definition_of(config))
    known = ValidationContext(known_tools=frozenset({"echo", "read_skill"}))
    assert validate(definition, known) == []
    assert [each.type for each in definition.nodes] == ["start", "context", "agent", "end"]
    assert definition.nodes[1].data["skills"] == ["refunds"]
    data = AgentData.model_validate(definition.nodes[2].data)
    assert (data.tools, data.require_approval) == (["echo", "read_skill"], ["echo"])


def test_instructions_reach_the_model_as_they_stand() -> None:
    said = "Answer {{ state.secret }} {% if %} {# never #} \\ \N{GREEK SMALL LETTER ALPHA}"
    definition, data = compiled(instructions=said)
    assert data.system is not None
    state = {key: declared.default for key, declared in definition.state.items()}
    assert compile_text(data.system).render({"input": {"message": "m"}, "state": state, "outputs": {}}) == said
    assert compiled()[1].system is None


@pytest.mark.parametrize(
    ("defaults", "approvals", "asked"),
    [
        ({}, {}, []),
        ({"enabled": True}, {}, ["calculate", "echo"]),
        ({"enabled": True}, {"echo": {"enabled": False}}, ["calculate"]),
        ({}, {"echo": {"enabled": True}}, ["echo"]),
    ],
)
def test_approval_is_asked_for_by_tool(defaults: dict, approvals: dict, asked: list[str]) -> None:
    _, data = compiled(tools=["calculate", "echo"], approval_defaults=defaults, approvals=approvals)
    assert data.require_approval == asked
    assert data.approval_timeout == (300 if asked else None)


def test_errors_of_the_graph_are_told_where_they_come_from() -> None:
    definition, _ = compiled(tools=["gone"], output_schema={"type": "nothing"})
    with pytest.raises(InvalidInput) as refused:
        refuse(validate(definition, KNOWN))
    assert {error.pointer for error in refused.value.errors} == {"/tools/0", "/output_schema"}


def test_sub_agents_may_be_called_by_names_that_models_can_say() -> None:
    config = read_config({"name": "Lead", "tools": ["echo"]})
    names = ["Order Clerk", "order clerk!", "Echo", "№ 1", "Бухгалтер", "x" * 80, "final result"]
    below = [AgentName(f"id{number}", name, "Helps." if number else "") for number, name in enumerate(names)]
    definition = Definition.model_validate(definition_of(config, {}, below))
    assert validate(definition, KNOWN) == []
    said = AgentData.model_validate(definition.nodes[1].data).subagents
    assert [each.name for each in said] == [
        "order_clerk", "order_clerk_2", "echo_2", "agent_1", "agent", "x" * 56, "final_result_2",
    ]  # fmt: skip
    assert (said[0].workflow_id, said[0].description) == ("id0", "Asks the agent Order Clerk.")
    assert "subagents" not in definition_of(config)["nodes"][1]["data"]
