"""Turns of an agent with tools, each an activity; the tests run the tools as the workflow would."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from calls import environment, fail, node_call, run
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, answer, error, text, tool_calls

from activities.llm_turn import TurnActivities
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.domain.model_history import ModelHistory
from cairn.domain.tools import ToolRegistry, load_tools, tool
from cairn.object_store import open_store
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings
from cairn.temporal.blobs import BlobDriver

MODEL = "openai:gpt-4o"
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
}


@tool
async def price(item: str, count: int = 1) -> float:
    """Tell the price of an item."""
    raise AssertionError("a turn runs no tool")


@pytest.fixture(scope="module")
async def server() -> AsyncGenerator[OpenAIServer]:
    async with OpenAIServer.running() as made:
        yield made


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


def conversations(blobs: Path) -> ModelHistory:
    return ModelHistory(BlobDriver(open_store(blobs.as_uri())), None, "default")


@pytest.fixture
async def activity(server: OpenAIServer, blobs: Path) -> AsyncGenerator[Any]:
    models = LanguageModels(Settings(openai_base_url=server.url, openai_api_key=SecretStr(KEY)))
    yield TurnActivities(models, ToolRegistry([price]), conversations(blobs)).call_model
    await models.aclose()


def turn(history: str | None = None, *results: JsonObject, **data: Any) -> NodeCall:
    said = {"prompt": "Say it", "model": MODEL, "tools": ["price"], "history": history, "results": list(results)}
    return node_call(**said | data)


def messages(server: OpenAIServer) -> list[tuple[str, Any]]:
    """What the last request said: role, and content or the tools asked for."""
    told = server.requests[-1]["messages"]
    return [(m["role"], m.get("content") or [c["function"]["name"] for c in m.get("tool_calls", [])]) for m in told]


async def test_a_model_asks_for_tools_and_answers_from_their_results(activity: Any, server: OpenAIServer) -> None:
    server.will(tool_calls(("price", {"item": "rope"}), ("price", {"item": "axe", "count": 2})), text("28.5"))
    first = await run(activity, turn(system="Be brief"))
    assert first.value["calls"] == [
        {"id": "call_price_0", "tool": "price", "arguments": {"item": "rope"}},
        {"id": "call_price_1", "tool": "price", "arguments": {"item": "axe", "count": 2}},
    ]
    assert first.usage is not None and first.model == MODEL
    assert (first.usage.requests, first.usage.input_tokens, first.usage.output_tokens) == (1, 100, 20)
    assert first.usage.cost == pytest.approx(100 * 2.5e-6 + 20 * 10e-6)
    results = [
        {"id": "call_price_0", "tool": "price", "value": 9.5},
        {"id": "call_price_1", "tool": "price", "value": 19},
    ]
    second = await run(activity, turn(first.value["history"], *results, system="Be brief"))
    assert second.value["answer"] == "28.5" and "calls" not in second.value
    assert second.usage is not None and second.usage.requests == 1, "each turn tells its own use"
    assert messages(server) == [
        ("system", "Be brief"),
        ("user", "Say it"),
        ("assistant", ["price", "price"]),
        ("tool", "9.5"),
        ("tool", "19"),
    ]


async def test_a_model_sees_how_a_tool_failed(activity: Any, server: OpenAIServer) -> None:
    server.will(tool_calls(("price", {"item": "rope"})), text("unknown"))
    first = await run(activity, turn())
    failed = {"id": "call_price_0", "tool": "price", "error": "no such item"}
    assert (await run(activity, turn(first.value["history"], failed))).value["answer"] == "unknown"
    assert "no such item" in messages(server)[-1][1]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (("price", {"itm": "rope"}), "item: Field required"),
        (("price", {"item": "rope", "count": "many"}), "count: Input should be a valid integer"),
        (("price", '{"item": "ro'), "EOF while parsing"),
        (("price", "[1]"), "Input should be an object"),
        (("steal", {"item": "rope"}), "Unknown tool name"),
    ],
)
async def test_a_call_that_cannot_be_made_goes_back_to_the_model_within_the_turn(
    activity: Any, server: OpenAIServer, bad: tuple[str, Any], said: str
) -> None:
    server.will(tool_calls(bad), tool_calls(("price", {"item": "rope"})))
    result = await run(activity, turn())
    assert [call["arguments"] for call in result.value["calls"]] == [{"item": "rope"}]
    assert result.usage is not None and result.usage.requests == 2
    assert said in messages(server)[-1][1]
    server.will(tool_calls(bad))
    failure = await fail(activity, turn())
    assert (failure.type, failure.non_retryable, len(server.requests)) == ("model_behavior", False, 3)
    assert failure.details[0]["usage"]["requests"] >= 3


async def test_a_good_call_beside_a_bad_one_is_made_and_the_model_hears_of_both(
    activity: Any, server: OpenAIServer
) -> None:
    server.will(tool_calls(("price", {"itm": "axe"}), ("price", {"item": "rope"}), ("steal", {})), text("9.5"))
    first = await run(activity, turn())
    assert [call["id"] for call in first.value["calls"]] == ["call_price_1"]
    done = {"id": "call_price_1", "tool": "price", "value": 9.5}
    assert (await run(activity, turn(first.value["history"], done))).value["answer"] == "9.5"
    (axe, rope, steal) = [content for role, content in messages(server) if role == "tool"]
    assert "item: Field required" in axe and rope == "9.5" and "Unknown tool" in steal


async def test_calls_that_cannot_be_told_apart_fail(activity: Any, server: OpenAIServer) -> None:
    def twice(body: dict[str, Any]) -> Any:
        reply = tool_calls(("price", {"item": "rope"}), ("price", {"item": "axe"}))(body)
        reply.body = reply.body.replace(b"call_price_1", b"call_price_0")
        return reply

    server.will(twice)
    assert (await fail(activity, turn())).type == "model_behavior"


async def test_an_answer_satisfies_its_schema_or_is_corrected(activity: Any, server: OpenAIServer) -> None:
    server.will(tool_calls(("price", {"item": "rope"})), answer({"name": "Ada"}), answer({"name": "Ada", "age": 36}))
    first = await run(activity, turn(output_schema=PERSON))
    done = {"id": "call_price_0", "tool": "price", "value": 36}
    result = await run(activity, turn(first.value["history"], done, output_schema=PERSON))
    assert result.value["answer"] == {"name": "Ada", "age": 36}
    assert result.usage is not None and result.usage.requests == 2
    server.will(answer({"name": "Ada"}))
    failure = await fail(activity, turn(output_schema=PERSON))
    assert (failure.type, failure.non_retryable, len(server.requests)) == ("model_behavior", False, 3)
    server.will(answer({"value": [1, 2]}))
    listed = {"type": "array", "items": {"type": "integer"}}
    assert (await run(activity, turn(output_schema=listed))).value["answer"] == [1, 2]


async def test_results_that_do_not_fit_the_conversation_are_refused(activity: Any, server: OpenAIServer) -> None:
    server.will(tool_calls(("price", {"item": "rope"})), text("x"))
    first = await run(activity, turn())
    failure = await fail(activity, turn(first.value["history"]))
    assert (failure.type, failure.non_retryable, len(server.requests)) == ("invalid_agent", True, 1)


async def test_a_conversation_that_is_gone_or_damaged_says_so(activity: Any, server: OpenAIServer, blobs: Path) -> None:
    failure = await fail(activity, turn(f"owned/default/2026-01-01/t=2Ee1/{'0' * 64}"))
    assert (failure.type, failure.non_retryable) == ("history_unavailable", True)
    server.will(tool_calls(("price", {"item": "rope"})), text("x"))
    history = (await run(activity, turn())).value["history"]
    file = blobs / history
    file.write_bytes(file.read_bytes().replace(b"rope", b"axes"))
    fresh = TurnActivities(LanguageModels(Settings()), ToolRegistry([price]), conversations(blobs))
    failure = await fail(fresh.call_model, turn(history, model="offline"))
    assert (failure.type, failure.non_retryable) == ("history_unavailable", True)


async def test_the_errors_of_a_provider_are_those_of_an_agent(activity: Any, server: OpenAIServer) -> None:
    server.will(error(429, "rate_limit_exceeded", type="requests", retry_after="7"))
    failure = await fail(activity, turn())
    assert (failure.type, failure.non_retryable) == ("rate_limited", False)
    for data, code in (({"tools": ["no_such_tool"]}, "unknown_tool"), ({"model": "nobody:x"}, "model_config")):
        failure = await fail(activity, turn(**data))
        assert (failure.type, failure.non_retryable) == (code, True)
    failure = await fail(activity, turn(model="openai:my-own-model", max_cost=1))
    assert (failure.type, failure.non_retryable) == ("price_unknown", True)
    server.will(text("dear"))
    failure = await fail(activity, turn(max_cost=0.0001))
    assert (failure.type, failure.non_retryable) == ("budget_exceeded", True)
    failure = await fail(activity, turn(run_id="before the reset"))
    assert failure.type == "parked"


async def test_what_history_holds_of_a_turn_does_not_grow(server: OpenAIServer, activity: Any, blobs: Path) -> None:
    server.will(tool_calls(("price", {"item": "rope"})))
    history, results, moved = None, [], []
    for _ in range(25):
        call = turn(history, *results)
        result: NodeResult = await run(activity, call)
        moved.append(len(call.model_dump_json()) + len(result.model_dump_json()))
        history = result.value["history"]
        results = [{"id": each["id"], "tool": "price", "value": 9.5} for each in result.value["calls"]]
    assert len(set(moved[1:])) == 1
    assert len(server.requests[-1]["messages"]) == 1 + 2 * 24, "the model is told all of it"
    assert len(await conversations(blobs).read(history)) == 2 * 25


async def test_another_execution_goes_on_from_a_conversation(activity: Any, server: OpenAIServer) -> None:
    server.will(tool_calls(("price", {"item": "rope"})), text("9.5"))
    first = await run(activity, turn())
    done = {"id": "call_price_0", "tool": "price", "value": 9.5}
    fork = turn(first.value["history"], done).model_copy(update={"temporal_id": "t.e2", "execution_id": "e2"})
    result = await environment().run(activity, fork)
    assert result.value["answer"] == "9.5"
    assert messages(server)[0] == ("user", "Say it")


async def test_offline_turns_are_the_same_each_time(blobs: Path) -> None:
    models = LanguageModels(Settings())
    activity = TurnActivities(models, load_tools(Settings()), conversations(blobs)).call_model
    data = {"prompt": "Find information on sagas and what is 3 + 4", "tools": ["search_library", "calculate"]}
    first = [await run(activity, turn(**data, model="offline")) for _ in range(2)]
    assert first[0].value["calls"] == first[1].value["calls"]
    assert [call["tool"] for call in first[0].value["calls"]] == ["search_library", "calculate"]
    assert first[0].usage is not None and (first[0].usage.input_tokens, first[0].usage.cost) == (0, 0.0)
    found = [
        {
            "id": "call_search_library",
            "tool": "search_library",
            "value": [{"text": "A compensation is not a rollback."}],
        },
        {"id": "call_calculate", "tool": "calculate", "value": 7},
    ]
    second = await run(activity, turn(first[0].value["history"], *found, **data, model="offline"))
    assert "From search_library:\n- A compensation is not a rollback." in second.value["answer"]
    assert "From calculate:\n- 7" in second.value["answer"]
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
    structured = await run(
        activity, turn(prompt='From: {"total": 12}', output_schema=schema, tools=[], model="offline")
    )
    assert structured.value["answer"] == {"total": 12}
    json.dumps(structured.value)
