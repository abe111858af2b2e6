"""The guide to waiting: its graph runs as it stands on each of its ways, and what it says of times and events is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphs import node, noting, sequence
from installation import Cairn
from people import answer, asked, send

from cairn.contracts.json import JsonObject
from cairn.errors import InvalidInput
from cairn.graph.model import Definition
from cairn.graph.nodes.approval import RequestData
from cairn.graph.nodes.question import QuestionData
from cairn.graph.nodes.wait import WaitData
from cairn.graph.validate import validate
from cairn.graph.waits import HEARD

PAGE = (Path(__file__).parents[2] / "docs" / "waiting.md").read_text()
ORDER = {"order": "o-17", "withdraw_within": 0.1}


def example(**timeouts: float) -> JsonObject:
    """Return the graph, with other timeouts for some nodes."""
    (text,) = re.findall(r"^```json graph\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    graph = json.loads(text)
    for each in graph["nodes"]:
        if each["id"] in timeouts:
            each["data"]["timeout"] = timeouts[each["id"]]
    return graph


def test_the_graph_is_valid() -> None:
    assert validate(Definition.model_validate(example())) == []


def test_every_field_is_named() -> None:
    common = set(RequestData.model_fields) & set(WaitData.model_fields) - {"timeout", "on_timeout"}
    own = {*RequestData.model_fields, *QuestionData.model_fields, *WaitData.model_fields, "schema"} - common
    assert {field for field in own - {"answer_schema"} if f"`{field}`" not in PAGE} == set()
    assert HEARD == 1000 and "last thousand" in PAGE


async def test_the_graph_runs(cairn: Cairn) -> None:
    execution = await cairn.run(example(), ORDER)
    await send(cairn, execution.id, "payment.settled", {"amount": 5}, correlation="o-16", event_id="1")
    payment = {"amount": 20, "reference": "tx-9"}
    await send(cairn, execution.id, "payment.settled", payment, correlation="o-17", event_id="2")
    size = await asked(cairn, execution.id)
    with pytest.raises(InvalidInput):
        await answer(cairn, execution.id, size, "XL")
    await answer(cairn, execution.id, size, "L")
    approval = await asked(cairn, execution.id)
    status = await cairn.client.get_workflow_handle(execution.id).query("status")
    assert status["requests"] == {approval: "Send o-17 in size L for 20?"}
    await answer(cairn, execution.id, approval, {"decision": "approved"})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"size": "L", "reference": "tx-9", "agreed": "ann"}
    assert [c.name for c in done.checkpoints or ()] == ["start", "Paid", "Size", "Agree", "Time to withdraw"]


async def test_nobody_pays(cairn: Cairn) -> None:
    execution = await cairn.run(example(paid=0.2), ORDER)
    assert (await cairn.reach(execution.id, "completed")).output_data == {"why": "nobody paid"}


async def test_nobody_answers(cairn: Cairn) -> None:
    execution = await cairn.run(example(size=0.1, agree=0.1), ORDER)
    await send(cairn, execution.id, "payment.settled", {"amount": 20, "reference": "tx-9"}, correlation="o-17")
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"why": "expired"}
    assert [c.name for c in done.checkpoints or ()] == ["start", "Paid", "Agree"]


async def test_without_a_way_for_it_a_timeout_fails_and_a_replay_waits_anew(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), node("ask", "question", prompt="?", timeout=0.2)))
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error is not None and failed.error["code"] == "timeout"
    await cairn.reset(execution.id, "replay", "a")
    again = await cairn.reach(execution.id, "failed")
    assert again.error is not None and again.error["code"] == "timeout"
    assert world.of(execution.id) == ["a"]


@pytest.mark.parametrize(
    "data",
    [
        {"seconds": -1},
        {"seconds": "input.none"},
        {"until": "'2024-01-01T00:00:00'"},
        {"until": "timestamp(input.due) - duration('24h')"},
    ],
)
async def test_times_that_have_passed_are_no_wait(cairn: Cairn, data: JsonObject) -> None:
    execution = await cairn.run(sequence(node("nap", "wait", **data)), {"none": 0, "due": "2024-01-01T00:00:00Z"})
    await cairn.reach(execution.id, "completed")


async def test_an_event_ends_one_wait_and_is_compared_as_json(cairn: Cairn) -> None:
    graph = sequence(
        node("one", "wait", event={"name": "go", "correlation": 7}),
        node("two", "wait", event={"name": "go"}),
        node("end", "end", output={"one": "outputs.one", "two": "outputs.two"}),
    )
    execution = await cairn.run(graph)
    await send(cairn, execution.id, "go", "a text", correlation="7", event_id="1")
    await send(cairn, execution.id, "go", "a number", correlation=7, event_id="2")
    await send(cairn, execution.id, "go", "the same again", correlation=7, event_id="2")
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"one": "a number", "two": "a text"}
