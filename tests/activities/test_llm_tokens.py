"""What a model's reply becomes for those who follow it, part by part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from calls import environment, node_call
from pydantic_ai.messages import (
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)

from activities.llm_tokens import telling
from cairn.domain.executions.tokens import TokenStream, TokenWriter

NOWHERE: Any = None
TURN = {"id": "conv_1", "message_id": "m-1"}


async def told(*replies: list[Any], **data: Any) -> list[tuple[str, str, bool]]:
    """Return what is written of replies, each piece with its kind and whether it begins anew."""
    written: list[tuple[str, str, bool]] = []

    class Written(TokenWriter):
        def add(self, piece: Any) -> None:
            written.append(("reasoning" if piece.reasoning else "text", piece.text, piece.restart))

        async def close(self, stream: TokenStream) -> None:
            pass

    async def events(parts: list[Any]) -> AsyncIterator[Any]:
        kind = None
        for index, part in enumerate(parts):
            yield PartStartEvent(index=index, part=part[0], previous_part_kind=kind)
            kind = part[0].part_kind
            for delta in part[1:]:
                yield PartDeltaEvent(index=index, delta=delta)

    async def tell() -> None:
        async with telling(Written(NOWHERE), node_call(**data)) as handler:
            assert handler is not None
            for each in replies:
                await handler(None, events(each))  # type: ignore[arg-type]

    await environment().run(tell)
    return written


def thought(*pieces: str | None) -> list[Any]:
    return [ThinkingPart(""), *(ThinkingPartDelta(content_delta=each, signature_delta="s") for each in pieces)]


WITHHELD = [ThinkingPart("", id="redacted_thinking", signature="s")]


@pytest.mark.parametrize(
    ("parts", "reasoning"),
    [
        ([thought("so ", "it is", None)], "so it is"),
        ([WITHHELD, WITHHELD], ""),
        ([WITHHELD, thought("so it is")], "so it is"),
        ([thought("first"), thought("then")], "first\n\nthen"),
        ([thought("first"), WITHHELD, thought("", "then"), WITHHELD], "first\n\nthen"),
        ([[ThinkingPart("first")], [TextPart("Well.")], [ThinkingPart("then")]], "first\n\nthen"),
    ],
)
async def test_parts_of_reasoning_stand_apart_and_what_is_withheld_is_nothing(parts: list[Any], reasoning: str) -> None:
    found = await told([*parts, [TextPart("a"), TextPartDelta("nswer")]], conversation=TURN)
    assert "".join(text for kind, text, _ in found if kind == "reasoning") == reasoning
    assert "".join(text for kind, text, _ in found if kind == "text").removeprefix("Well.") == "answer"
    assert [restart for *_, restart in found] == [True, *[False] * (len(found) - 1)]


async def test_a_reply_voids_the_one_before_with_what_it_begins_with() -> None:
    answer = [ToolCallPart("final_result", {"n": 1})]
    found = await told([thought("hm"), [TextPart("x")]], [thought("now"), answer], conversation=TURN)
    assert found == [
        ("reasoning", "hm", True), ("text", "x", False), ("reasoning", "now", True), ("text", '{"n":1}', False),
    ]  # fmt: skip
    assert await told([thought("now"), [ToolCallPart("add", {"n": 1})]], conversation=TURN) == [
        ("reasoning", "now", True)
    ]


async def test_outside_of_conversations_reasoning_is_not_told() -> None:
    assert await told([thought("hm"), [TextPart("x")]]) == [("text", "x", True)]
