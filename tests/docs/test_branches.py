"""The guide to branches: its graph runs as it stands, and what it says of joins and failures is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until
from people import answer

from cairn.contracts.json import Json, JsonObject
from cairn.domain.executions.model import ExecutionFilter
from cairn.domain.requests.model import Request, RequestFilter
from cairn.domain.requests.service import RequestService
from cairn.domain.tools import load_tools
from cairn.graph.expressions import compile_expression
from cairn.graph.model import Definition
from cairn.graph.nodes.join import JoinData
from cairn.graph.validate import ValidationContext, validate
from cairn.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "branches.md").read_text()


def example() -> JsonObject:
    (text,) = re.findall(r"^```json graph\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return json.loads(text)


async def pending(cairn: Cairn, execution_id: str) -> dict[str, str]:
    """Return the ids of the open approvals by their node's id."""
    async with cairn.database.session() as session:
        service = RequestService(session, cairn.temporal, cairn.principal)
        page = await service.list_pending("approval", RequestFilter(execution_id=execution_id), 1, 100)
        return {each.node_id: each.id for each in page.items}


async def request(cairn: Cairn, request_id: str) -> Request:
    async with cairn.database.session() as session:
        return await RequestService(session, cairn.temporal, cairn.principal).get("approval", request_id)


async def asked(cairn: Cairn, execution_id: str, number: int) -> dict[str, str]:
    async def all_of_them() -> dict[str, str] | None:
        found = await pending(cairn, execution_id)
        return found if len(found) == number else None

    return await until(all_of_them)


@pytest.mark.parametrize(("value", "failed"), [(42, False), ({"error": {"code": "x"}}, True), ({"n": 1}, False)])
def test_the_expression_tells_failures_from_results(value: Json, failed: bool) -> None:
    (source,) = re.findall(r"`(type\(.*?)`", PAGE)
    scope: JsonObject = {"outputs": {"found": {"sum": value}}}
    assert compile_expression(source).evaluate(scope) is failed


def test_the_graph_is_valid() -> None:
    known = ValidationContext(known_tools=frozenset(load_tools(Settings()).names()))
    assert validate(Definition.model_validate(example()), known) == []
    assert (JoinData(name="x").mode, JoinData(name="x").on_error) == ("all", "fail")


@pytest.mark.parametrize(("formula", "result"), [("6 * 7", 42), ("6 *", "invalid_arguments")])
async def test_a_failure_is_collected_and_two_of_three_are_enough(cairn: Cairn, formula: str, result: object) -> None:
    execution = await cairn.run(example(), {"topic": "retries", "formula": formula})
    requests = await asked(cairn, execution.id, 3)
    for who in ("ann", "eve"):
        await answer(cairn, execution.id, requests[who], {"decision": "approved"})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data is not None
    told = done.output_data["sum"]
    assert result in (told, told["error"]["code"] if isinstance(told, dict) else None)
    assert done.output_data["sources"] == (3 if result == 42 else 2)
    assert {who: said["decision"] for who, said in done.output_data["voted"].items()} == {
        "ann": "approved",
        "eve": "approved",
    }
    assert "found" in [checkpoint.name for checkpoint in done.checkpoints or ()]
    await until(lambda: cancelled(cairn, requests["bob"]))


async def cancelled(cairn: Cairn, request_id: str) -> bool:
    return (await request(cairn, request_id)).status == "cancelled"


async def test_a_branch_may_end_by_itself(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            noting("a"),
            node("aside", "end", output={"aside": True}),
            noting("b"),
            node("meet", "join"),
            node("end", "end", output={"all": "outputs.meet"}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "a", "a"),
            edge("fan", "b", "b"),
            edge("a", "aside"),
            edge("b", "meet"),
            edge("meet", "end"),
        ],
    }
    done = await cairn.reach((await cairn.run(graph)).id, "completed")
    assert done.output_data == {"aside": True, "all": {"b": {"entry": "b", "value": None}}}


@pytest.mark.parametrize("status", ["failed", "completed"])
async def test_an_end_that_fails_is_not_collected(cairn: Cairn, world, status: str) -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("stop", "end", status=status, output={}),
            noting("b"),
            node("meet", "join", on_error="collect"),
            node("end", "end", output={}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "stop", "a"),
            edge("fan", "b", "b"),
            edge("b", "meet"),
            edge("meet", "end"),
        ],
    }
    await cairn.reach((await cairn.run(graph)).id, status)


async def test_a_child_in_a_branch_that_is_not_waited_for_is_cancelled(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            waiting("quick"),
            node("sub", "subgraph", workflow_id=await cairn.publish(sequence(waiting("slow"), noting("late")))),
            node("meet", "join", mode="any"),
            node("end", "end", output={"first": "outputs.meet"}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "quick", "quick"),
            edge("fan", "sub", "slow"),
            edge("quick", "meet"),
            edge("sub", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["slow"])
    world.gate("quick").set()
    assert (await cairn.reach(execution.id, "completed")).output_data == {"first": {"quick": "quick"}}
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(parent_execution_id=execution.id), 1, 10)
    await cairn.reach(page.items[0].id, "cancelled")
