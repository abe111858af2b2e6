"""Names of the tools by which a model takes an edge."""

from __future__ import annotations

import re

import pytest
from graph.definitions import edge, issues, node, told
from phone import pizzeria
from stepped_call import Phone

from cairn.graph.compiled import Way
from cairn.graph.transitions import transition_name, way_named

PROVIDERS = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Order pizza!", "order_pizza_"),
        (" Done ", "done"),
        ("Café & later", "caf____later"),
        ("Größe", "gr__e"),
        ("1ª vez, 2 m²", "1__vez__2_m_"),
        ("a" * 64, "a" * 64),
    ],
)
def test_latin_labels_have_the_names_that_were_released(label: str, name: str) -> None:
    assert transition_name(label) == name


OTHERS = [
    "はい",
    "いいえ",
    "注文する",
    "نعم",
    "لا",
    "да",
    "нет",
    "東京 A",
    "大阪 A",
    "9時",
    "!!!",
    "👍",
    "👎",
    "x" * 65,
    "x" * 66,
    "x" * 64 + "はい",
]


def test_other_labels_and_long_ones_have_names_of_their_own() -> None:
    names = [transition_name(label) for label in OTHERS]
    assert len(set(names)) == len(names)
    assert all(PROVIDERS.fullmatch(name) and name[0].isalpha() for name in names), names
    # Stored in histories and known to models: the same on every machine and for ever.
    assert transition_name("はい") == "w-8f90d85e"
    assert transition_name("東京 A") == transition_name(" 東京 a ") == "a-9f1bd59e"


def test_two_labels_of_one_node_in_other_scripts_are_two_tools() -> None:
    nodes = [node("s", "startCall", prompt="x"), node("e", "endCall", prompt="x")]
    ways = [{**edge("s>e", label=label, condition="x"), "id": label} for label in OTHERS]
    assert issues(nodes, ways) == []
    twice = [*ways, {**edge("s>e", label="ДА", condition="x"), "id": "twice"}]
    assert {subject for _, subject, _, _ in told(issues(nodes, twice))} == {"twice"}


def way(label: str) -> Way:
    return Way(id=label, target="t", label=label, expression=None, on="success")


def test_a_turn_that_knew_the_names_before_is_taken_as_it_was() -> None:
    ways = [way("はい"), way("да"), way("no"), way("x" * 70)]
    for each in ways:
        assert way_named(ways, transition_name(each.label)) == each
    assert way_named(ways, "__") == ways[1]  # of two that had one name the last was taken
    assert way_named(ways, "x" * 64) == ways[3]
    assert way_named(ways, "other") is None


def test_a_name_of_today_goes_before_one_of_before() -> None:
    ways = [way("!a"), way("はa")]
    assert [way_named(ways, transition_name(each.label)) for each in ways] == ways


def test_a_call_goes_by_labels_of_any_script_and_a_turn_begun_before_is_taken() -> None:
    for name in ("w-8f90d85e", "__"):  # what the tool is called, and was called before
        graph = pizzeria()
        leading = [edge for edge in graph["edges"] if edge["source"] == "hello"]
        leading[0]["data"]["label"], leading[1]["data"]["label"] = "いいえ", "はい"
        p = Phone(graph)
        p.go()
        p.hear("...")
        assert [each["name"] for each in p.under_way().data["transitions"]] == ["w-48ef2b67", "w-8f90d85e"]
        p.said("", name)
        assert p.call.token is not None and p.call.token.node_id == leading[1]["target"]
