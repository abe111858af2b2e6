"""What the items of a map are given of the input around it: all that they read, and no more."""

from __future__ import annotations

from typing import Any

import pytest
from graphs import edge, node, sequence

from cairn.contracts.json import JsonObject
from cairn.errors import Conflict
from cairn.graph.compiled import compile_graph
from cairn.graph.migrate import check_migration
from cairn.graph.reads import only, read_of_input
from cairn.graph.state import ExecutionState, Token

ALL = {()}


def tool(**arguments: str) -> JsonObject:
    return node("a", "tool", tool="echo", arguments=arguments)


def read(*nodes: JsonObject, **more: Any) -> set[tuple[str, ...]]:
    return set(read_of_input(compile_graph(sequence(*nodes, **more))))


CASES: list[tuple[list[JsonObject], set[tuple[str, ...]]]] = [
    ([tool(value="item")], set()),
    ([tool(value="item + input.limit")], {("limit",)}),
    ([tool(value="input.a.b", other="input['c']")], {("a", "b"), ("c",)}),
    ([tool(value="input.a.b", other="input.a")], {("a",)}),
    ([tool(value="has(input.a) ? state.a : outputs.b")], {("a",)}),
    ([tool(value="size(input)")], ALL),
    ([tool(value="input[item]")], ALL),
    ([tool(value="outputs.start.a")], {("a",)}),
    ([tool(value="outputs['start']")], ALL),
    ([tool(value="size(outputs)")], ALL),
    ([tool(value="outputs[item]")], ALL),
    ([node("a", "agent", prompt="{{ item.title }}")], set()),
    ([node("a", "agent", prompt="{{ input.topic.name }} of {{ outputs.b.text }}")], {("topic", "name")}),
    ([node("a", "agent", prompt="{{ topic }} {{ result.text }}")], {("topic",), ("result", "text")}),
    ([node("a", "agent", prompt="{% for each in input.list %}{{ each.name }}{% endfor %}")], {("list",)}),
    ([node("a", "agent", prompt="{{ input }}")], ALL),
    ([node("a", "agent", prompt="{{ input['a'] }}")], ALL),
    ([node("a", "agent", prompt="{{ outputs.start.a }}")], {("a",)}),
    ([node("a", "code", code="def run(input, state, x): return x", arguments={"x": "input.x"})], {("x",)}),
    ([node("a", "code", code="def run(input, state): return input['x']")], ALL),
    ([node("a", "code", code="def run(given, state): return locals()")], ALL),
    ([node("a", "code", code="def run(*given): return given[0]")], ALL),
    (
        [node("a", "tool", tool="echo", arguments={}, compensate={"tool": "undo", "arguments": {"b": "input.b"}})],
        {("b",)},
    ),
]


@pytest.mark.parametrize(("nodes", "found"), CASES)
def test_what_a_graph_reads_of_its_input(nodes: list[JsonObject], found: set[tuple[str, ...]]) -> None:
    assert read(*nodes) == found


def test_edges_read_and_so_do_maps_inside_of_it() -> None:
    inner = sequence(tool(value="input.inner"))
    graph = sequence(
        node("c", "condition"),
        node("each", "map", items="input.lists[index]", body=inner, concurrency=2),
        tool(value="1"),
    )
    graph["edges"][1]["data"]["expression"] = "input.wanted"
    assert read_of_input(compile_graph(graph)) == {("inner",), ("lists",), ("wanted",)}


def test_what_may_be_anywhere_in_it_is_given_whole() -> None:
    assert read(tool(value="item"), input_schema={"type": "object", "required": ["a"]}) == ALL
    graph = sequence(tool(value="item"))
    graph["nodes"][0]["data"]["output"] = "kept"
    assert read_of_input(compile_graph(graph)) == ALL, "the start node writes it into the state"
    fork, join = node("fork", "parallel"), node("join", "join")
    branches = [edge("start", "fork"), edge("fork", "join", "one"), edge("fork", "join", "two"), edge("join", "end")]
    graph = {"nodes": [graph["nodes"][0], fork, join, graph["nodes"][-1]], "edges": branches}
    del graph["nodes"][0]["data"]["output"]
    assert read_of_input(compile_graph(graph)) == ALL, "an empty branch brings it to the join"


def test_only_what_lies_there_is_left() -> None:
    given: JsonObject = {"a": {"b": 1, "c": 2}, "list": [1], "d": 3}
    assert only(given, frozenset({("a", "b"), ("list", "0", "x"), ("none", "e")})) == {"a": {"b": 1}, "list": [1]}
    assert only(given, frozenset()) == {} == only([1, 2], frozenset())
    assert only([1, 2], frozenset({("x",)})) == [1, 2], "what is no object has no parts"


@pytest.mark.parametrize(("engine", "item"), [(7, {"item": 1, "index": 0}), (6, {"item": 1, "index": 0}), (7, None)])
def test_an_item_cannot_go_on_by_a_version_that_reads_more(engine: int, item: JsonObject | None) -> None:
    before, after = sequence(tool(value="input.a")), sequence(tool(value="input.a.b + input.c"))
    state = ExecutionState(input={}, values={}, execution={}, engine=engine, item=item)
    state.ready.append(Token(node_id="a"))
    if engine < 7 or item is None:
        assert check_migration(state, compile_graph(before), after).nodes
        return
    with pytest.raises(Conflict, match=r"reads input\.c") as refused:
        check_migration(state, compile_graph(before), after)
    assert refused.value.code == "input_not_given"
    assert check_migration(state, compile_graph(after), sequence(tool(value="input.a.b + input.c.d"))).nodes


def test_it_is_found_out_once_a_graph() -> None:
    graph = compile_graph(sequence(tool(q="input.wanted")))
    assert read_of_input(graph) is read_of_input(graph)
