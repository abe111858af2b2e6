"""The built-in templates: what they are, and which one is nearest to a description."""

from __future__ import annotations

import pytest

from cairn.domain.templates import fill_nearest, find_template, templates
from cairn.domain.tools import load_tools
from cairn.errors import NotFound
from cairn.graph.model import Definition
from cairn.graph.templates import compile_text
from cairn.graph.validate import ValidationContext, validate
from cairn.settings import Settings

KNOWN = ValidationContext(known_tools=frozenset(load_tools(Settings()).names()))


def test_there_are_six_and_more_in_as_many_fields() -> None:
    found = templates()
    assert len({each.field for each in found}) == len({each.template_id for each in found}) == len(found) >= 6
    assert [each.id for each in found] == list(range(1, len(found) + 1))
    types = [{node["type"] for node in each.template_json["nodes"]} for each in found]
    assert sum("startCall" in each for each in types) >= 3 and sum("start" in each for each in types) >= 3


@pytest.mark.parametrize("template_id", [each.template_id for each in templates()])
def test_each_is_valid_without_a_warning(template_id: str) -> None:
    assert validate(Definition.model_validate(find_template(template_id).definition()), KNOWN) == []


@pytest.mark.parametrize(
    ("description", "template_id"),
    [
        ("A customer support agent that handles billing questions and escalates to humans", "inbound-support"),
        ("Patients call my dental clinic to book appointments", "clinic-appointment"),
        ("Take car insurance claims on the phone", "insurance-claim-intake"),
        ("Qualify sales leads and book a demo", "lead-qualification"),
        ("Write a research report with sources", "research-report"),
        ("Approve a refund for our online shop", "refund-triage"),
        ("Extract the totals of invoices for accounting", "invoice-extraction"),
        ("", "inbound-support"),
    ],
)
def test_the_nearest_is_filled_with_the_description(description: str, template_id: str) -> None:
    template, definition = fill_nearest(description)
    assert template.template_id == template_id
    assert description in str(definition)
    assert validate(Definition.model_validate(definition), KNOWN) == []
    assert template.template_json == find_template(template_id).template_json != definition or not description


def test_a_description_is_no_template() -> None:
    description = "insurance claim {{ execution.id }} {% for a in b %}{# c #} {{{"
    _, definition = fill_nearest(description)
    texts = [node["data"]["prompt"] for node in definition["nodes"] if node["type"] == "globalNode"]
    said = compile_text(texts[0]).render({"execution": {"id": "secret"}})
    assert "{ { execution.id }}" in said and "{ % for a in b %}" in said and "secret" not in said


def test_there_is_no_other() -> None:
    with pytest.raises(NotFound):
        find_template("nonsense")
