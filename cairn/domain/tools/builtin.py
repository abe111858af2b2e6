"""The tools that every installation has; none of them needs a network."""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from cairn.contracts.json import Json, JsonObject
from cairn.domain.tools.arithmetic import evaluate
from cairn.domain.tools.library import Library
from cairn.domain.tools.tool import ToolError, tool

_WORDS_A_MINUTE = 230


@tool(repeatable=True)
def echo(value: Annotated[Json, Field(description="Any JSON value.")]) -> Json:
    """Return the value that was given."""
    return value


@tool(repeatable=True)
def calculate(
    expression: Annotated[str, Field(max_length=500, description="For example (17.5 - 3) * 2 ** 8 / sqrt(2).")],
) -> float | int:
    """Calculate an arithmetic expression.

    Operators: + - * / // % **, parentheses. Functions: abs, ceil, floor, round, sqrt, exp, log, log10, sin, cos, tan,
    min, max. Constants: pi, e.
    """
    try:
        return evaluate(expression)
    except (ArithmeticError, ValueError) as error:
        raise ToolError(
            f"{expression!r} cannot be calculated: {error}", retryable=False, code="invalid_arguments"
        ) from error


@tool(repeatable=True)
def current_time(
    zone: Annotated[str, Field(max_length=100, description="IANA name, for example Europe/Berlin.")] = "UTC",
) -> JsonObject:
    """Tell the current date and time in a time zone."""
    try:
        now = datetime.now(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ToolError(f"There is no time zone {zone!r}", retryable=False, code="invalid_arguments") from error
    return {"iso": now.isoformat(timespec="seconds"), "unix": int(now.timestamp()), "weekday": now.strftime("%A")}


@tool(repeatable=True)
def text_statistics(text: Annotated[str, Field(max_length=1_000_000)]) -> JsonObject:
    """Count the characters, words, sentences and paragraphs of a text and name its most frequent words."""
    words = re.findall(r"[^\W_]+(?:['\u2019-][^\W_]+)*", text)
    long_words = Counter(word.lower() for word in words if len(word) > 3)
    return {
        "characters": len(text),
        "words": len(words),
        "sentences": len(re.findall(r"[^.!?\s][^.!?]*", text)),
        "lines": len(text.splitlines()),
        "paragraphs": len([block for block in re.split(r"\n\s*\n", text) if block.strip()]),
        "reading_minutes": math.ceil(len(words) / _WORDS_A_MINUTE),
        "frequent_words": [{"word": word, "count": count} for word, count in long_words.most_common(10)],
    }


@tool(repeatable=True)
def search_library(
    query: Annotated[str, Field(min_length=1, max_length=1_000, description="What to look for, in plain words.")],
    limit: Annotated[int, Field(ge=1, le=20)] = 3,
) -> list[JsonObject]:
    """Search a small library of articles on durable execution, agents and reliability for information on a topic.

    Gives the best articles first: id, title, text, score.
    """
    return [
        {"id": hit.id, "title": hit.title, "text": hit.text, "score": hit.score}
        for hit in Library.bundled().search(query, limit)
    ]
