"""Shapes that workflows of n8n and graphs of LangGraph have in the field, each in the smallest form."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.contracts.json import JsonObject
from cairn.graph.imports import Imported, read_document
from cairn.graph.model import Definition
from cairn.graph.validate import validate

MANUAL = {"name": "Manual", "type": "n8n-nodes-base.manualTrigger"}
HOOK = {"name": "Hook", "type": "n8n-nodes-base.webhook"}
NIGHTLY = {"name": "Nightly", "type": "n8n-nodes-base.scheduleTrigger"}


def no_op(name: str, **more: Any) -> JsonObject:
    return {"name": name, "type": "n8n-nodes-base.noOp", **more}


def n8n(kind: str, name: str = "N", **parameters: Any) -> JsonObject:
    return {"name": name, "type": f"n8n-nodes-base.{kind}", "parameters": parameters}


def leads(*outputs: str) -> JsonObject:
    """What a node's outputs lead to, each by names: ``"a b"``."""
    return {"main": [[{"node": name, "type": "main", "index": 0} for name in names.split()] for names in outputs]}


def read(nodes: list[JsonObject], connections: JsonObject, **more: Any) -> Imported:
    found = read_document({"nodes": nodes, "connections": connections, **more})
    wrong = [each for each in validate(Definition.model_validate(found.definition)) if each.severity == "error"]
    assert wrong == []
    return found


def kinds(found: Imported) -> dict[str, str]:
    return {node["id"]: node["type"] for node in found.definition["nodes"]}


def data(found: Imported, node_id: str) -> JsonObject:
    return next(node["data"] for node in found.definition["nodes"] if node["id"] == node_id)


def ways(found: Imported, source: str) -> list[tuple[str, JsonObject]]:
    edges = found.definition["edges"]
    return [(edge["target"], edge.get("data") or {}) for edge in edges if edge["source"] == source]


def notes(found: Imported, node: str | None) -> str:
    return " ".join(f"{note.status}: {note.message}" for note in found.notes if note.node == node)


def one(node: JsonObject) -> Imported:
    """Import a node that is begun by hand."""
    return read([MANUAL, {**node, "name": "N"}], {"Manual": leads("N")})


def test_triggers_that_lead_to_one_place_are_one_way() -> None:
    found = read([MANUAL, NIGHTLY, no_op("A")], {"Manual": leads("A"), "Nightly": leads("A")})
    assert ways(found, "start") == [("a", {})]


def test_triggers_that_lead_to_different_places_are_told_apart_by_the_input() -> None:
    nodes = [MANUAL, HOOK, NIGHTLY, no_op("A"), no_op("B")]
    found = read(nodes, {"Manual": leads("A"), "Hook": leads("B"), "Nightly": leads("B")})
    assert ways(found, "start") == [("which_trigger", {})] and kinds(found)["which_trigger"] == "condition"
    said = "has(input.trigger) && input.trigger in ['Hook', 'Nightly']"
    assert ways(found, "which_trigger") == [
        ("a", {"label": "Manual"}),
        ("b", {"label": "Hook / Nightly", "expression": said}),
    ]
    assert 'Say "trigger": "Hook" in the input' in notes(found, "Hook")


def test_an_outcome_that_leads_to_several_places_goes_to_all_of_them() -> None:
    check = n8n("if", "Check", conditions={"boolean": [{"value1": "={{ $json.ok }}", "value2": True}]})
    nodes = [MANUAL, check, *(no_op(name) for name in "ABCD")]
    found = read(nodes, {"Manual": leads("Check"), "Check": leads("A B", "C D")})
    (yes, held), (no, other) = ways(found, "check")
    assert (held["label"], other) == ("true", {"label": "false"}) and held["expression"] == "input.ok == true"
    assert [target for target, _ in ways(found, yes)] == ["a", "b"] and kinds(found)[yes] == "parallel"
    assert [target for target, _ in ways(found, no)] == ["c", "d"]


def test_a_node_that_goes_on_after_failures_leads_to_all_its_places_once() -> None:
    nodes = [MANUAL, {**n8n("httpRequest", "Get", url="https://example.org"), "onError": "continueRegularOutput"}]
    found = read([*nodes, no_op("A"), no_op("B")], {"Manual": leads("Get"), "Get": leads("A B")})
    assert ways(found, "get") == [("get_split", {}), ("get_split", {"label": "failed", "on": "error"})]


def test_the_outputs_of_a_node_without_counterpart_are_alternatives() -> None:
    nodes = [MANUAL, n8n("splitInBatches", "Batches"), no_op("Done"), no_op("Each")]
    found = read(nodes, {"Manual": leads("Batches"), "Batches": leads("Done", "Each"), "Each": leads("Batches")})
    assert ways(found, "batches") == [
        ("done", {"label": "output 0", "expression": "outputs.batches.output == 0"}),
        ("each", {"label": "output 1", "expression": "outputs.batches.output == 1"}),
    ]
    assert "Let the tool return as `output`" in notes(found, "Batches")


def test_an_output_that_a_node_does_not_have_here_is_told() -> None:
    nodes = [MANUAL, n8n("httpRequest", "Get", url="https://example.org"), no_op("A"), no_op("B")]
    found = read(nodes, {"Manual": leads("Get"), "Get": leads("A", "B")})
    assert ways(found, "get") == [("a", {})] and "output 1 is left out" in notes(found, "Get")


def test_nodes_of_one_name_and_connections_by_id() -> None:
    nodes = [{**MANUAL, "id": "m-1"}, no_op("A", id="a-1"), no_op("A", id="a-2"), {"id": "x", "type": "t.noOp"}]
    found = read(nodes, {"m-1": leads("a-1"), "a-1": leads("a-2"), "A (2)": leads("x")})
    assert [ways(found, each)[0][0] for each in ("start", "a", "a_2")] == ["a", "a_2", "x"]
    assert "several 'A'" in notes(found, "A (2)")


@pytest.mark.parametrize(
    ("name", "node_id"), [("404 not found", "node_404_not_found"), ("IF", "node_if"), ("Größe", "gr_e")]
)
def test_names_become_ids_that_expressions_can_name(name: str, node_id: str) -> None:
    asks, reads = n8n("httpRequest", name, url="https://example.org"), n8n("set", "S")
    reads["parameters"] = {"assignments": {"assignments": [{"name": "x", "value": "={{ $json.größe.in }}"}]}}
    found = read([MANUAL, asks, reads], {"Manual": leads("S X"), name: leads("S")})
    assert node_id in kinds(found)
    found = read([MANUAL, asks, reads], {"Manual": {"main": [[{"node": name}]]}, name: leads("S")})
    assert data(found, "s")["set"] == {"x": f"outputs.{node_id}.body['größe']['in']"}


def test_what_would_be_no_valid_node_here_is_told_and_kept() -> None:
    long = n8n("set", assignments={"assignments": [{"name": "x", "value": "y" * 3000}]})
    found = one(long)
    assert kinds(found)["n"] == "tool" and "the expression has 3" in notes(found, "N")
    found = one(n8n("httpRequest"))
    assert kinds(found)["n"] == "tool" and "its url is not given" in notes(found, "N")
    found = one(n8n("if", conditions={"number": [{"value1": "={{ $json.a }}"}]}))
    assert kinds(found)["n"] == "tool" and "an expression cannot be written here" in notes(found, "N")


def test_small_things_are_read() -> None:
    assert data(one(n8n("httpRequest", method="=post", url="https://example.org")), "n")["method"] == "POST"
    assert data(one(n8n("set", mode="raw", jsonOutput='{"a": [1, "b"]}')), "n")["set"] == {"a": "[1, 'b']"}
    found = one(n8n("set", mode="raw", jsonOutput='={"a": {{ $json.b }} }'))
    assert "raw JSON that an expression makes" in notes(found, "N")
    long = {"leftValue": "={{ $json.l }}", "rightValue": 2, "operator": {"type": "array", "operation": "lengthGt"}}
    (held, *_) = ways(one(n8n("if", conditions={"conditions": [long]})), "n")
    assert held[1].get("label") == "else"
    found = read(
        [MANUAL, n8n("if", conditions={"conditions": [long]}), no_op("A")], {"Manual": leads("N"), "N": leads("A")}
    )
    assert ways(found, "n")[0][1]["expression"] == "size(input.l) > int(2)"
    library = read_document({"id": 1, "name": "Mine", "workflow": {"nodes": [MANUAL], "connections": {}}})
    assert (library.format, library.name) == ("n8n", "Mine")


def test_what_a_model_is_told_and_asked() -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"content": "={{ $json.q }}?"}]
    tellings: list[JsonObject] = [
        {"prompt": {"messages": messages}, "resource": "chat"},
        {"messages": {"values": messages}},
    ]
    for told in tellings:
        asked = data(one(n8n("openAi", **told)), "n")
        assert (asked["system"], asked["prompt"]) == ("Be kind.", "{{ input.q }}?")
    chain = n8n("chainLlm", text="=", messages={"messageValues": [{"message": "Be brief."}]})
    asked = data(one(chain), "n")
    assert (asked["system"], asked["prompt"]) == ("Be brief.", "{{ input }}")
    found = one(n8n("openAi", resource="image", prompt="A cat"))
    assert kinds(found)["n"] == "tool" and "it works on image, not on text" in notes(found, "N")


def langgraph(*edges: tuple[str, str, Any], classes: dict[str, str] | None = None) -> Imported:
    names = dict.fromkeys(name for source, target, _ in edges for name in (source, target))
    nodes: list[JsonObject] = [
        {"id": name, "type": "runnable", "data": {"id": ["l", (classes or {}).get(name, "Runnable")], "name": name}}
        for name in names
    ]
    told = [
        {"source": source, "target": target} | ({"conditional": True, "data": label} if label else {})
        for source, target, label in edges
    ]
    found = read_document({"nodes": nodes, "edges": told})
    assert not [each for each in validate(Definition.model_validate(found.definition)) if each.severity == "error"]
    return found


def test_a_choice_behind_the_start_or_a_graph_is_made_by_an_agent_of_its_own() -> None:
    found = langgraph(
        ("__start__", "a", "yes"),
        ("__start__", "team", "no"),
        ("team", "a", "again"),
        ("team", "__end__", True),
        ("a", "__end__", None),
        classes={"team": "CompiledStateGraph"},
    )
    assert ways(found, "__start__") == [("__start___next", {})] and kinds(found)["__start___next"] == "agent"
    assert data(found, "__start___next")["output_schema"]["properties"]["next"]["enum"] == ["yes", "no"]
    said = {"label": "yes", "expression": "outputs['__start___next'].next == 'yes'"}
    assert ways(found, "__start___next")[0] == ("a", said)
    assert ways(found, "team") == [("team_next", {})] and len(ways(found, "team_next")) == 2
    assert "decided by a function" in notes(found, "team")


def test_tools_that_are_no_agents_own_can_be_chosen() -> None:
    found = langgraph(
        ("__start__", "model", None),
        ("model", "check", None),
        ("check", "tools", "tools"),
        ("check", "__end__", "end"),
        ("tools", "model", None),
        classes={"tools": "ToolNode"},
    )
    assert data(found, "check")["output_schema"]["properties"]["next"]["enum"] == ["tools", "end"]


def test_two_labels_that_lead_to_one_node_are_two_ways() -> None:
    found = langgraph(("__start__", "a", None), ("a", "b", "x"), ("a", "b", "y"), ("b", "__end__", None))
    assert [each["label"] for _, each in ways(found, "a")] == ["x", "y"]


def test_starts_and_ends_of_graphs_inside_do_nothing() -> None:
    found = langgraph(("__start__", "t:__start__", None), ("t:__start__", "t:__end__", None), ("t:__end__", "e", None))
    assert kinds(found)["t:__start__"] == kinds(found)["t:__end__"] == "transform"
