"""The catalogue of node kinds: generated from the kinds themselves."""

from __future__ import annotations

import pytest

from cairn.graph.catalog import NodeSpec, PropertySpec, node_type, node_types
from cairn.graph.nodes import KINDS


def test_every_kind_is_told_with_every_member() -> None:
    told = {spec.name: spec for spec in node_types()}
    assert set(told) == set(KINDS)
    for name, kind in KINDS.items():
        members = {field.alias or member for member, field in kind.Data.model_fields.items()}
        assert {each.name for each in told[name].properties} == members
        required = {field.alias or member for member, field in kind.Data.model_fields.items() if field.is_required()}
        assert {each.name for each in told[name].properties if each.required} == required


@pytest.mark.parametrize("spec", node_types(), ids=lambda spec: spec.name)
def test_every_text_says_something(spec: NodeSpec) -> None:
    assert spec.description and spec.display_name
    for each in spec.properties:
        # No member is left to be guessed from its name.
        assert each.description.rstrip(".") != each.display_name, each.name


def member(kind: str, name: str) -> PropertySpec:
    return next(each for each in node_type(kind).properties if each.name == name)


def test_members_have_the_forms_that_builders_know() -> None:
    assert member("startCall", "name").default == "Start Call"
    assert member("startCall", "prompt").type == "mention_textarea"
    assert member("startCall", "greeting_recording_id").type == "recording_ref"
    assert member("startCall", "pre_call_fetch_url").type == "url"
    assert member("startCall", "pre_call_fetch_credential_uuid").type == "credential_ref"
    duration = member("startCall", "delayed_start_duration")
    assert (duration.type, duration.min_value, duration.max_value) == ("number", 0.1, 10)
    assert member("agentNode", "tool_uuids").type == "tool_refs"
    assert member("agentNode", "document_uuids").type == "document_refs"
    variables = member("agentNode", "extraction_variables")
    assert variables.type == "fixed_collection"
    assert [each.name for each in variables.properties] == ["name", "type", "prompt"]
    assert [each.value for each in variables.properties[1].options] == ["string", "number", "boolean"]
    method = member("webhook", "http_method")
    assert (method.type, method.default) == ("options", "POST")
    assert member("webhook", "payload_template").type == "json"
    assert member("qa", "qa_sample_rate").default == 100
    assert member("question", "schema").type == "json"
    assert member("score", "rubric").type == "json"
    assert member("agent", "retry").default is None


def test_constraints_are_those_of_the_validator() -> None:
    assert node_type("startCall").graph_constraints.max_incoming == 0
    assert node_type("agentNode").graph_constraints.min_incoming == 1
    assert node_type("endCall").graph_constraints.max_outgoing == 0
    assert node_type("nonsense") is None
