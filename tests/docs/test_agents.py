"""The guide to agents: its graph runs as it stands, whatever the person says of the agent's call."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from installation import Cairn
from people import answer, asked

from cairn.contracts.json import JsonObject
from cairn.domain.tools import load_tools
from cairn.graph.model import Definition
from cairn.graph.nodes.agent import AgentData
from cairn.graph.validate import ValidationContext, validate
from cairn.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "tools-and-models.md").read_text()


def example(**data: Any) -> JsonObject:
    """Return the graph, with other data for the agent."""
    (text,) = re.findall(r"^```json graph\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    graph = json.loads(text)
    graph["nodes"][1]["data"] |= data
    return graph


def test_the_graph_is_valid() -> None:
    known = ValidationContext(known_tools=frozenset(load_tools(Settings()).names()))
    assert validate(Definition.model_validate(example()), known) == []
    assert AgentData.model_fields["max_turns"].default == 10
    assert AgentData.model_fields["approval_timeout"].default is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"decision": "approved"}, "42"),
        ({"decision": "approved", "modified_arguments": {"expression": "6 * 8"}}, "48"),
        ({"decision": "denied", "reason": "not today"}, None),
    ],
)
async def test_a_call_waits_for_a_person(cairn: Cairn, said: JsonObject, told: str | None) -> None:
    execution = await cairn.run(example(), {"formula": "6 * 7"})
    await answer(cairn, execution.id, await asked(cairn, execution.id), said)
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data is not None
    answered = str(done.output_data["answer"])
    assert (told or "") in answered and ("42" in answered) is (told == "42")
    called = ["Clerk: calculate"] if told else []
    assert [checkpoint.name for checkpoint in done.checkpoints or ()] == ["start", *called, "Clerk"]


async def test_a_call_that_nobody_approves_in_time_is_not_made(cairn: Cairn) -> None:
    execution = await cairn.run(example(approval_timeout=0.2), {"formula": "6 * 7"})
    done = await cairn.reach(execution.id, "completed")
    assert [checkpoint.name for checkpoint in done.checkpoints or ()] == ["start", "Clerk"]
