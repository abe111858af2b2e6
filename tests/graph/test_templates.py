from __future__ import annotations

import copy
from typing import Any

import pytest
from graph.json_strategies import json_objects
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.templates import MAX_OUTPUT, MAX_SOURCE, TemplateError, compile_text

SCOPE: dict[str, Any] = {
    "input": {
        "query": "why?",
        "a": 1,
        "f": 1.5,
        "none": None,
        "items": [{"t": "x", "u": None}, {"t": "y"}],
        "tags": ["b", "a", "b"],
        "obj": {"k": [1, "é"]},
        "markup": "<b>&é",
        "state": "hidden by the name of the scope",
    },
    "state": {"plan": {"title": "T"}, "big": ["abcdefghij"] * 1000, "long": "x" * 1_000_000},
    "outputs": {"my-node": {"z": 4}},
    "execution": {"id": "e-1"},
}


def render(source: str, scope: dict[str, Any] | None = None) -> str:
    return compile_text(source).render(SCOPE if scope is None else scope)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain { } % text\n", "plain { } % text\n"),
        ("Say {{query}}", "Say why?"),
        ("{{ input.query }} {{ state.plan.title }} {{ execution.id }} {{ outputs['my-node'].z }}", "why? T e-1 4"),
        ("{{ missing }}{{ missing.deeper.still }}!", "!"),
        ("{{ none }}!", "!"),
        ("{{ input.keys }}{{ tags.append }}!", "!"),
        ("{{ a }} {{ f }} {{ a == 1 }} {{ obj }} {{ tags }}", '1 1.5 true {"k": [1, "é"]} ["b", "a", "b"]'),
        ("{{ markup }}", "<b>&é"),
        ("{{ items }}", '[{"t": "x", "u": null}, {"t": "y"}]'),
        ("{{ name | there }}, {{ query | there }}", "there, why?"),
        ("{{name|dear customer}} {{ name | fallback:friend }}", "dear customer friend"),
        ("{{ name | it's me }}, {{ name | Ada (O'Hara) #1 [100%] }}", "it's me, Ada (O'Hara) #1 [100%]"),
        ('{{ name | say "hi" \\n -}} !', 'say "hi" \\n!'),
        ("{{ name | 'dear guest' }}, {{ name | \"it's you\" }}{{ query | 'x' }}", "dear guest, it's youwhy?"),
        ("{{ name | default('you') }} {{ none | default('nobody') }} {{ a | default(2) }}", "you nobody 1"),
        (
            "{% for i in items %}{{ loop.index }}. {{ i.t }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1. x, 2. y",
        ),
        ("{% for k, v in obj | items %}{{ k }}={{ v }}{% endfor %}", 'k=[1, "é"]'),
        ("{% if a == 1 and query %}yes{% elif f > 3 %}no{% else %}else{% endif %}", "yes"),
        ("{{ 'yes' if a != 1 else 'no' }}", "no"),
        ("{{ 'a' in tags }}{{ 'c' in tags }}", "truefalse"),
        ("{{ tags | sort | unique | join(', ') }} {{ tags | reverse | first }} {{ tags | last }}", "a, b b b"),
        (
            "{{ query | upper | replace('?', '!') }} {{ 'ab cd' | title }} {{ 'AB' | lower | capitalize }}",
            "WHY! Ab Cd Ab",
        ),
        (
            "{{ ' x ' | trim }}{{ 'abcdef' | truncate(3) }} {{ tags | length }} {{ f | round }} {{ 3.14 | round(1) }}",
            "xab… 3 2 3.1",
        ),
        ("{{ obj | json }} {{ missing | json }}", '{"k": [1, "é"]} null'),
        ("{{ missing is defined }} {{ a is not defined }} {{ query is string }}", "false false true"),
        ("{# nothing #}x {{- a -}} y", "x1y"),
        ("{{ '{{' }}", "{{"),
        ("{{ items[0].t }}{{ tags[-1] }}", "xb"),
    ],
)
def test_texts(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ a", "not closed (line 1)"),
        ("line\n{{ a b }}", "(line 2)"),
        ("{{ }}", "empty"),
        ("{% if a %}", "{% if %} is not closed"),
        ("{% endfor %}", "has no {% for %}"),
        ("{% else %}", "stands alone"),
        ("{# c", "comment is not closed"),
        ("{% set x = 1 %}", "not available"),
        ("{% macro f() %}{% endmacro %}", "not available"),
        ("{% include 'x' %}", "not available"),
        ("{% raw %}{% endraw %}", "not available"),
        ("{{ a + 1 }}", "'+' is not available"),
        ("{{ 'a' * 9 }}", "'*' is not available"),
        ("{{ 'a' ~ 'b' }}", "'~' is not available"),
        ("{{ [1, 2] }}", "lists cannot be written"),
        ("{{ {'a': 1} }}", "'{' is not available"),
        ("{{ input.update('a') }}", "functions and methods"),
        ("{{ tags.clear() }}", "functions and methods"),
        ("{{ range(3) }}", "functions and methods"),
        ("{{ (tags.clear)() }}", "functions and methods"),
        ("{{ a.__class__ }}", "'__class__' is not available"),
        ("{{ a | nope | upper }}", "unknown filter 'nope'"),
        ("{{ a is nope }}", "unknown test 'nope'"),
        ("{{ a is not nope }}", "unknown test 'nope'"),
        ("{% for x in tags recursive %}{% endfor %}", "'recursive' is not available"),
        ("{% for x in tags %}{{ x == a }}{% endfor %}", "must be a literal"),
        ("{% for x in tags %}{{ x in tags }}{% endfor %}", "not available inside loops"),
        ("{{ " + "not " * 300 + "a }}", "200 parts"),
        ("{% if a %}" * 11 + "{% endif %}" * 11, "nest deeper than 10"),
        ("{{ " + "(" * 90 + "a" + ")" * 90 + " }}", "recursion limits"),
        ("x" * (MAX_SOURCE + 1), "65536 characters"),
        ("\ud800", "Unicode"),
    ],
)
def test_what_does_not_compile_says_why(source: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        compile_text(source)
    assert message in error.value.message
    assert error.value.code == "template"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for x in a %}{% endfor %}", "not iterable"),
        ("{{ items | sort }}", "can be sorted"),
        ("{{ a | join }}", "filter for lists"),
        ("{{ tags | items }}", "only an object"),
        ("{{ query | round }}", "only a number"),
        ("{{ a | upper(1) }}", "wrong arguments of filter 'upper'"),
        ("{{ state.long }}{{ state.long }}", f"longer than {MAX_OUTPUT}"),
        ("{{ state.long | replace('x', 'yy') | replace('y', 'zz') }}", f"longer than {MAX_OUTPUT}"),
        ("{{ state.long | json | json | json | json | json | json | json | json | json | json }}", "too much work"),
        ("{% for x in state.big %}{% for y in state.big %}{{ y }}{% endfor %}{% endfor %}", "too many steps"),
        ("{% for x in state.big %}" + "z" * 60_000 + "{% endfor %}", "too many steps"),
        ("{% for x in state.big %}{{ state.long | length }}{% endfor %}", "too much data"),
        ("{% for x in state.big %}{% if state.long == 'x' %}{% endif %}{% endfor %}", "too much data"),
    ],
)
def test_what_fails_says_why(source: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        render(source)
    assert message in error.value.message


@pytest.mark.parametrize("source", ["{{a|" + " " * 60_000, "{{a| x" + " " * 60_000 + "|", "{{a|x " * 10_000])
def test_a_fallback_that_does_not_end_is_refused_at_once(source: str) -> None:
    with pytest.raises(TemplateError):
        compile_text(source)


def test_an_input_that_is_no_object_has_no_names() -> None:
    assert render("{{ input }}{{ query }}", {"input": [1, None]}) == "[1, null]"
    assert render("{{ input }}", {"input": None}) == ""


def test_an_author_cannot_change_what_the_text_sees() -> None:
    scope = copy.deepcopy(SCOPE)
    render("{{ items | sort | join if missing else tags | sort | reverse | unique | join }}", scope)
    assert scope == SCOPE


_pieces = st.sampled_from(
    [
        *("{{ ", "}} ", "{% if ", "{% else %}", "{% endif %}", "{% for x in ", "{% endfor %}", " %}", "{# c #}", "{#"),
        *("items", "x.t", "obj.k[0]", "query", "loop.index", "'s'", "1", "-2", "[0]", ".keys", " text ", "é"),
        *(" | upper", " | join('-')", " | items", " | default(1)", " | length", " | any words"),
        *("(", ")", "[", "]", " == ", "!= 1", " and ", " not ", " is defined", " in ", "{", "}", "%", "*", "-", ", "),
    ]
)


@given(st.lists(_pieces, max_size=14).map("".join) | st.text(max_size=40), json_objects)
def test_any_text_over_any_json_renders_or_is_an_error(source: str, data: dict[str, Any]) -> None:
    scope = {**SCOPE, "input": {**SCOPE["input"], **data}}
    before = repr(scope)
    try:
        text = render(source, scope)
    except TemplateError as error:
        assert error.message not in ("", "the text cannot be rendered")
    else:
        assert " at 0x" not in text
        assert text == render(source, scope)
    assert repr(scope) == before
