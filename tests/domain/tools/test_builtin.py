from __future__ import annotations

import math
import time
from typing import Any

import pytest

from cairn.domain.tools import ToolContext, ToolError, load_tools
from cairn.domain.tools.arithmetic import evaluate
from cairn.settings import Settings

TOOLS = load_tools(Settings())
CONTEXT = ToolContext("key", "execution", "tenant", True, "node", 1, "lineage")


async def run(name: str, **arguments: Any) -> Any:
    return await TOOLS.get(name).run(arguments, CONTEXT)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-2 ** 2", -4),
        ("(17.5 - 3) * 2 ** 8 / 4", 928.0),
        ("7 // 2 + 7 % 4", 6),
        ("sqrt(16) + max(1, 2, 3)", 7.0),
        ("round(pi, 2)", 3.14),
        ("2 ** 100", 2**100),
        ("  log(e)\n", 1.0),
    ],
)
async def test_calculate(expression: str, value: float) -> None:
    assert await run("calculate", expression=expression) == pytest.approx(value)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "x",
        "1 +",
        "1; 2",
        "2 ^ 3",
        "1 / 0",
        "sqrt(-1)",
        "9 ** 9 ** 9",
        "2.5 ** 99999",
        "1e308 * 10",
        "'a' * 9",
        "True + 1",
        "(1).real",
        "[1, 2]",
        "[x for x in range(9)]",
        "__import__('os')",
        "min()",
        "-" * 499 + "1",
        "(" * 240 + "1" + ")" * 240,
    ],
)
async def test_calculate_refuses_what_is_no_arithmetic_or_has_no_value(expression: str) -> None:
    with pytest.raises(ToolError) as caught:
        await run("calculate", expression=expression)
    assert (caught.value.code, caught.value.retryable) == ("invalid_arguments", False)


def test_the_dearest_expression_that_is_allowed_is_cheap() -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="too large"):
        evaluate("*".join(["2**4000"] * 60))
    assert time.process_time() - began < 1


async def test_current_time() -> None:
    now = await run("current_time", zone="Asia/Tokyo")
    assert now["iso"].endswith("+09:00")
    assert math.isclose(now["unix"], time.time(), abs_tol=5)
    for zone in ("Mars/Base", "../../etc/passwd", ""):
        with pytest.raises(ToolError, match="no time zone"):
            await run("current_time", zone=zone)


async def test_text_statistics() -> None:
    found = await run("text_statistics", text="Graphs run. Graphs don't stop!\n\nWho knows why?")
    assert {key: found[key] for key in ("words", "sentences", "paragraphs", "lines", "reading_minutes")} == {
        "words": 8,
        "sentences": 3,
        "paragraphs": 2,
        "lines": 3,
        "reading_minutes": 1,
    }
    assert found["frequent_words"][0] == {"word": "graphs", "count": 2}


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("How can I go back to a checkpoint?", "checkpoints"),
        ("What is an idempotency key?", "idempotency-keys"),
        ("undo the steps of a saga", "sagas"),
        ("limits on what language models cost", "budgets"),
        ("someone's web page instructs my model", "prompt-injection"),
    ],
)
async def test_search_library_finds_the_article_on_the_topic(query: str, first: str) -> None:
    hits = await run("search_library", query=query, limit=3)
    assert hits[0]["id"] == first
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


@pytest.mark.parametrize("query", ["xyzzy", "the of", '"*" OR ) NEAR(', "?"])
async def test_search_library_finds_nothing_for_nonsense(query: str) -> None:
    assert await run("search_library", query=query) == []


async def test_echo() -> None:
    assert await run("echo", value={"a": [1, None]}) == {"a": [1, None]}
