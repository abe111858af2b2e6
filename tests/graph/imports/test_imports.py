"""Graphs of other tools: LangGraph's own output (stored, from langgraph 1.2.22) and workflows as n8n exports them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cairn.contracts.json import JsonObject
from cairn.graph.imports import Imported, read_document
from cairn.graph.model import Definition
from cairn.graph.validate import ValidationContext, validate

HERE = Path(__file__).parent
KNOWN = ValidationContext(known_tools=frozenset({"calculate", "search"}))


def read(name: str) -> Imported:
    return read_document(json.loads((HERE / f"{name}.json").read_text()))


def errors(found: Imported) -> set[str]:
    issues = validate(Definition.model_validate(found.definition), KNOWN)
    return {issue.message for issue in issues if issue.severity == "error"}


def nodes(found: Imported) -> dict[str, tuple[str, JsonObject]]:
    return {node["id"]: (node["type"], node["data"]) for node in found.definition["nodes"]}


def ways(found: Imported, source: str) -> dict[str, JsonObject]:
    return {edge["target"]: edge.get("data") or {} for edge in found.definition["edges"] if edge["source"] == source}


def notes(found: Imported) -> dict[str | None, list[str]]:
    told: dict[str | None, list[str]] = {}
    for note in found.notes:
        told.setdefault(note.node, []).append(f"{note.status}: {note.message}")
    return told


@pytest.mark.parametrize("name", ["rag", "fan_out", "react", "mixed", "chain"])
def test_each_langgraph_is_a_valid_graph(name: str) -> None:
    found = read(f"langgraph/{name}")
    assert found.format == "langgraph" and errors(found) == set()
    source = json.loads((HERE / f"langgraph/{name}.json").read_text())
    assert found.mapped + len(notes(found)) == len(source["nodes"])


def test_a_conditional_edge_is_decided_by_an_agent_and_a_loop_stays() -> None:
    found = read("langgraph/rag")
    kind, data = nodes(found)["grade"]
    assert (kind, data["output_schema"]["properties"]["next"]["enum"]) == ("agent", ["generate", "rewrite"])
    assert ways(found, "grade")["rewrite"] == {"label": "rewrite", "expression": "outputs['grade'].next == 'rewrite'"}
    assert ways(found, "rewrite") == {"retrieve": {}}
    assert any("decided by a function" in each for each in notes(found)["grade"])


def test_branches_run_side_by_side_and_meet() -> None:
    found = read("langgraph/fan_out")
    assert nodes(found)["plan_split"][0] == "parallel" and nodes(found)["write_join"][0] == "join"
    assert set(ways(found, "plan_split")) == {"web", "library"}
    assert ways(found, "web") == ways(found, "library") == {"write_join": {}}


def test_a_node_of_tools_becomes_the_agents_tools() -> None:
    found = read("langgraph/react")
    assert nodes(found)["agent"][1]["tools"] == ["search"] and "tools" not in nodes(found)
    assert ways(found, "agent") == {"__end__": {}}


def test_subgraphs_and_interrupts_are_kept_and_told() -> None:
    found = read("langgraph/mixed")
    assert nodes(found)["team"] == ("subgraph", {"name": "team", "workflow_id": "team"})
    assert nodes(found)["human_before"][0] == "approval" and ways(found, "human_before") == {"human": {}}
    assert len(notes(found)["human"]) == 2 and "import that too" in notes(found)["team"][0]


def test_an_n8n_workflow_is_mapped_node_by_node() -> None:
    found = read("n8n/order_triage")
    assert (found.format, found.name, found.mapped) == ("n8n", "Order triage", 7)
    known = nodes(found)
    assert known["fetch_customer"] == (
        "http",
        {
            "name": "Fetch customer",
            "method": "GET",
            "url": "https://crm.example/customers/{{ input.customer_id }}?expand=orders",
            "headers": {"X-Source": "n8n"},
            "timeout": 10.0,
            "retry": {"max_attempts": 5, "initial_interval": 2.0, "backoff": 1},
        },
    )
    assert ways(found, "fetch_customer")["answer"] == {"label": "error", "on": "error"}
    assert known["prepare"][1]["set"] == {
        "total": "input.total",
        "greeting": "'Dear ' + string(outputs.fetch_customer.body.name)",
        "source": "'shop'",
    }
    yes = "(double(outputs.prepare.total) >= double(100)) && (outputs.prepare.source == 'shop')"
    assert ways(found, "large")["assess"] == {"label": "true", "expression": yes}
    assert ways(found, "large")["pause"] == {"label": "false"}
    assert known["assess"][1]["model"] == "openai:gpt-4o-mini" and known["assess"][1]["tools"] == ["calculate"]
    assert (known["assess"][1]["prompt"], known["assess"][1]["system"]) == (
        "Assess the order over {{ outputs.prepare.total }}.",
        "You are careful.",
    )
    assert known["pause"] == ("wait", {"name": "Pause", "seconds": 300})
    assert "Model" not in str(known) and not any(kind == "stickyNote" for kind, _ in known.values())
    assert set(notes(found)) == {"Order received", "Fetch customer", "Notify"}
    assert errors(found) == {"Unknown tool: 'n8n.slack'"}
    # What it did is kept beside it, for whoever writes the tool.
    assert known["notify"][1]["n8n"]["parameters"]["text"] == "=Large order: {{ $json.output }}"


def test_branches_switches_and_old_forms_of_n8n() -> None:
    found = read("n8n/nightly_report")
    assert set(ways(found, "start_split")) == {"sales", "stock"} and ways(found, "stock") == {"both_join": {}}
    assert nodes(found)["stock"][1]["body"] == "{'day': 'today'}"
    assert ways(found, "kind") == {
        "shape": {"label": "weekly", "expression": "outputs.sales.body.day == 'monday'"},
        "nothing": {"label": "empty", "expression": "double(outputs.sales.body.total) == double(0)"},
        "old_check": {"label": "output 2"},
    }
    old = "(double(outputs.sales.body.total) > double(1000)) || (outputs.sales.body.region.startsWith('EU'))"
    assert ways(found, "old_check") == {"follow_up": {"label": "true", "expression": old}, "end": {"label": "else"}}
    assert "schedule" in notes(found)["Every night"][0]
    assert notes(found)["Off"] == ["partly: It is switched off there: here it does nothing."]
    assert notes(found)["Shape"][0].startswith("missing: ") and "more than a path" in notes(found)["Clever"][0]
    assert errors(found) == {"Unknown tool: 'n8n.code'", "Unknown tool: 'n8n.set'"}


def test_an_export_and_a_definition_are_taken_as_they_are() -> None:
    definition = {"nodes": [{"id": "s", "type": "start", "data": {"name": "S"}}], "edges": [], "notes": {"kept": 1}}
    export = read_document({"name": "n", "definition": definition, "configuration": {"max_call_duration": 9}})
    assert (export.format, export.name, export.definition) == ("cairn", "n", definition)
    assert export.configuration == {"max_call_duration": 9}
    assert read_document(definition).definition == definition


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"nodes": 5, "edges": []},
        {"nodes": [1], "edges": []},
        {"nodes": []},
        {"nodes": [{"id": "__start__"}], "edges": [{"source": "__start__", "target": "nowhere"}]},
        {"nodes": [{"id": "__start__"}, {"id": None}], "edges": []},
        {"nodes": [{"type": "x"}], "connections": {}},
        {"name": 5, "definition": {}},
        {"definition": {"nodes": 5, "edges": []}},
        {"definition": {"nodes": ["x"], "edges": []}},
    ],
)
def test_what_is_no_graph_is_refused(document: JsonObject) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_document(document)


@pytest.mark.parametrize("caller", ["tools", "more"])
def test_tools_that_no_agent_calls_are_steps_of_their_own(caller: str) -> None:
    data, metadata = {"id": ["x", "ToolNode"]}, {"__tools": 5}
    document = {
        "nodes": [
            {"id": "__start__"},
            *({"id": name, "type": "runnable", "data": data, "metadata": metadata} for name in {"tools", caller}),
        ],
        "edges": [
            {"source": "__start__", "target": "tools"},
            {"source": "tools", "target": caller},
            {"source": caller, "target": "tools"},
        ],
    }
    found = read_document(document)
    assert {"tools", caller, "__start__"} <= set(nodes(found))
    assert {note.node for note in found.notes} == {"tools", caller}


@pytest.mark.parametrize(("said", "kept"), [("x", (3, 1.0)), (5, (5, 0.005)), (None, (3, 1.0))])
def test_what_n8n_says_of_tries_is_kept_when_it_is_a_number(said: object, kept: tuple[int, float]) -> None:
    request = {"name": "a", "type": "n8n-nodes-base.httpRequest", "parameters": {"url": "https://x.example"}}
    tried = {"retryOnFail": True, "maxTries": said, "waitBetweenTries": said}
    retry = nodes(read_document({"nodes": [request | tried], "connections": {}}))["a"][1]["retry"]
    assert (retry["max_attempts"], retry["initial_interval"]) == kept


@pytest.mark.parametrize(
    "connections",
    [
        {"a": 5},
        {"a": {"main": None}},
        {"a": {"main": [None, [{"node": "nowhere"}]]}},
        {"a": {"main": [[{"node": "b"}], [{"node": "b"}]]}, "b": {"main": [[{"node": "a"}]]}},
        {"a": {"main": [["x"]]}},
    ],
)
@pytest.mark.parametrize("kind", ["if", "set", "httpRequest", "switch", "wait", "agent", "respondToWebhook", "merge"])
@pytest.mark.parametrize(
    "parameters", [{}, {"conditions": 5, "rules": [], "assignments": {"assignments": 5}, "url": {}}]
)
def test_odd_workflows_of_n8n_are_read_or_reported(connections: JsonObject, kind: str, parameters: JsonObject) -> None:
    document = {
        "nodes": [
            {"name": "a", "type": f"n8n-nodes-base.{kind}", "parameters": parameters, "position": "nowhere"},
            {
                "name": "b",
                "type": "n8n-nodes-base.if",
                "parameters": {"conditions": {"conditions": [{"leftValue": "={{ $json.x }}"}]}},
            },
        ],
        "connections": connections,
    }
    found = read_document(document)
    assert {"a", "b", "start"} <= set(nodes(found))
    Definition.model_validate(found.definition)
