from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from calls import fail, node_call, run
from pydantic import SecretStr
from servers.listen import serve_raw
from servers.openai_server import KEY, OpenAIServer, Reply, answer, cut, ended, error, raw, text, tool_calls

from activities.llm import AgentActivities
from cairn.contracts.nodes import NodeResult
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.tools import ToolContext, ToolError, ToolRegistry, tool
from cairn.persistence.session import Database, create_engine
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings

MODEL = "openai:gpt-4o"
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
}


def half(body: dict[str, Any]) -> Any:
    """Half of a JSON document."""
    return (
        raw(b'data: {"id": "chat\n\n', "text/event-stream")(body) if body.get("stream") else raw(b'{"id": "chat')(body)
    )


class Shop:
    """Tools that remember how they were called."""

    def __init__(self) -> None:
        self.contexts: list[ToolContext] = []
        self.failures: list[Exception] = []

    def registry(self) -> ToolRegistry:
        @tool
        async def price(item: str, context: ToolContext) -> float:
            """Tell the price of an item."""
            self.contexts.append(context)
            if self.failures:
                raise self.failures.pop(0)
            return 9.5

        return ToolRegistry([price])


@pytest.fixture(scope="module")
async def server() -> AsyncGenerator[OpenAIServer]:
    async with OpenAIServer.running() as made:
        yield made


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture(params=["whole", "streamed"])
async def tokens(request: pytest.FixtureRequest, sqlite_url: str) -> AsyncGenerator[TokenWriter | None]:
    """With a writer replies are streamed."""
    database = Database(create_engine(sqlite_url))
    yield TokenWriter(database) if request.param == "streamed" else None
    await database.dispose()


@pytest.fixture
async def activity(server: OpenAIServer, shop: Shop, tokens: TokenWriter | None) -> AsyncGenerator[Any]:
    models = LanguageModels(Settings(openai_base_url=server.url, openai_api_key=SecretStr(KEY)))
    yield AgentActivities(models, shop.registry(), tokens).run_agent
    await models.aclose()


async def ask(activity: Any, **data: Any) -> NodeResult:
    return await run(activity, node_call(**{"prompt": "Say it", "model": MODEL} | data))


async def test_a_prompt_is_answered_with_usage_and_price(activity: Any, server: OpenAIServer) -> None:
    server.will(text("Hello", input_tokens=1_000_000, output_tokens=100_000))
    result = await ask(activity, system="Be brief", temperature=0.3)
    assert (result.value, result.model) == ("Hello", MODEL)
    assert result.usage is not None
    assert (result.usage.requests, result.usage.input_tokens, result.usage.output_tokens) == (1, 1_000_000, 100_000)
    assert result.usage.cost == pytest.approx(2.5 + 1.0)
    (request,) = server.requests
    assert [(each["role"], each["content"]) for each in request["messages"]] == [
        ("system", "Be brief"),
        ("user", "Say it"),
    ]
    assert (request["model"], request["temperature"]) == ("gpt-4o", 0.3)


async def test_the_price_of_an_unknown_model_is_unknown(activity: Any, server: OpenAIServer) -> None:
    server.will(text("Hello"))
    result = await ask(activity, model="openai:my-own-model")
    assert result.usage is not None
    assert (result.usage.cost, result.usage.input_tokens) == (None, 100)


async def test_tools_are_called_and_their_results_go_back(activity: Any, server: OpenAIServer, shop: Shop) -> None:
    server.will(tool_calls(("price", {"item": "rope"}), ("price", {"item": "axe"})), text("It costs 9.5"))
    result = await ask(activity, tools=["price"])
    assert result.value == "It costs 9.5"
    assert result.usage is not None and (result.usage.requests, result.usage.input_tokens) == (2, 200)
    declared = server.requests[0]["tools"][0]["function"]
    assert (declared["name"], declared["description"]) == ("price", "Tell the price of an item.")
    assert declared["parameters"]["required"] == ["item"]
    assert [m["content"] for m in server.requests[1]["messages"] if m["role"] == "tool"] == ["9.5", "9.5"]


async def test_each_tool_call_has_an_idempotency_key_that_a_retry_of_the_activity_repeats(
    activity: Any, server: OpenAIServer, shop: Shop
) -> None:
    rope, axe = ("price", {"item": "rope"}), ("price", {"item": "axe"})
    server.will(tool_calls(rope, axe), tool_calls(rope), text("done"))
    await ask(activity, tools=["price"])
    first = {context.idempotency_key for context in shop.contexts}
    assert len(first) == 3
    assert all(key.startswith("e1/n1/1/l1/price/") for key in first)
    shop.contexts.clear()
    server.will(tool_calls(axe), tool_calls(rope, rope), text("done"))
    await run(activity, node_call(prompt="Say it", model=MODEL, tools=["price"]), attempt=2)
    assert {context.idempotency_key for context in shop.contexts} == first
    assert {context.attempt for context in shop.contexts} == {2}


async def test_a_model_may_correct_arguments(activity: Any, server: OpenAIServer, shop: Shop) -> None:
    server.will(tool_calls(("price", {"itm": "rope"})), tool_calls(("price", {"item": "rope"})), text("9.5"))
    assert (await ask(activity, tools=["price"])).value == "9.5"
    assert "item: Field required" in server.requests[1]["messages"][-1]["content"]
    assert len(shop.contexts) == 1


async def test_a_model_that_never_gets_it_right_is_a_retryable_failure(activity: Any, server: OpenAIServer) -> None:
    server.will(tool_calls(("price", {"itm": "rope"})))
    failure = await fail(activity, node_call(prompt="p", model=MODEL, tools=["price"]))
    assert (failure.type, failure.non_retryable) == ("model_behavior", False)
    assert len(server.requests) == 3


async def test_a_model_sees_how_a_tool_failed(activity: Any, server: OpenAIServer, shop: Shop) -> None:
    shop.failures = [ToolError("no such item", retryable=False), ValueError("a bug")]
    call = tool_calls(("price", {"item": "x"}))
    server.will(call, call, call, text("9.5"))
    assert (await ask(activity, tools=["price"])).value == "9.5"
    seen = [m["content"] for m in server.requests[3]["messages"] if m["role"] == "tool"]
    assert "no such item" in seen[0]
    assert "Tool 'price' failed with ValueError: a bug" in seen[1]
    assert seen[2] == "9.5"


async def test_an_answer_satisfies_its_schema(activity: Any, server: OpenAIServer) -> None:
    server.will(answer({"name": "Ada", "age": 36}))
    assert (await ask(activity, output_schema=PERSON)).value == {"name": "Ada", "age": 36}


async def test_an_answer_that_breaks_its_schema_may_be_corrected(activity: Any, server: OpenAIServer) -> None:
    server.will(answer({"name": "Ada", "age": -1}), answer({"name": "Ada", "age": 36}))
    assert (await ask(activity, output_schema=PERSON)).value == {"name": "Ada", "age": 36}
    assert "age: -1 is less than the minimum of 0" in str(server.requests[1]["messages"][-1]["content"])
    server.will(answer({"name": "Ada"}))
    failure = await fail(activity, node_call(prompt="p", model=MODEL, output_schema=PERSON))
    assert (failure.type, failure.non_retryable) == ("model_behavior", False)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}}, [1, 2]),
        ({"enum": ["yes", "no"]}, "yes"),
        ({"type": "boolean"}, True),
    ],
)
async def test_a_schema_may_be_of_any_type(activity: Any, server: OpenAIServer, schema: Any, value: Any) -> None:
    server.will(answer({"value": value}))
    assert (await ask(activity, output_schema=schema)).value == value


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "nonsense"}}},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/t"}},
            "$defs": {"t": {"items": {"$ref": "#/$defs/t"}}},
        },
    ],
)
async def test_a_schema_that_cannot_be_used_is_refused(activity: Any, server: OpenAIServer, schema: Any) -> None:
    server.will(text("x"))
    failure = await fail(activity, node_call(prompt="p", model=MODEL, output_schema=schema))
    assert (failure.type, failure.non_retryable, server.requests) == ("invalid_agent", True, [])


@pytest.mark.parametrize(
    ("reply", "code", "final", "delay"),
    [
        (error(429, "rate_limit_exceeded", type="requests", retry_after="7"), "rate_limited", False, 7),
        (error(429, "rate_limit_exceeded", type="requests"), "rate_limited", False, None),
        (error(429, "insufficient_quota", type="insufficient_quota"), "quota_exceeded", True, None),
        (error(500, "server_error"), "model_unavailable", False, None),
        (error(503, "overloaded", retry_after="99999999"), "model_unavailable", False, 3600),
        (error(408, "timeout"), "model_unavailable", False, None),
        (error(409, "conflict"), "model_unavailable", False, None),
        (error(401, "invalid_api_key"), "model_unauthorized", True, None),
        (error(403, "forbidden"), "model_unauthorized", True, None),
        (error(400, "bad"), "model_rejected", True, None),
        (error(400, "context_length_exceeded"), "context_too_long", True, None),
        (error(404, "model_not_found"), "model_not_found", True, None),
        (half, "invalid_reply", False, None),
        (raw(b"<html>busy</html>", "text/html"), "model_behavior", False, None),
        (raw(b'{"choices": []}'), "model_behavior", False, None),
        (raw(b'{"hello": "world"}'), "model_behavior", False, None),
        (cut(), "connection_error", False, None),
    ],
)
async def test_errors_of_the_provider(
    activity: Any, server: OpenAIServer, reply: Reply, code: str, final: bool, delay: int | None
) -> None:
    server.will(reply)
    failure = await fail(activity, node_call(prompt="p", model=MODEL))
    assert (failure.type, failure.non_retryable) == (code, final)
    assert failure.next_retry_delay == (None if delay is None else timedelta(seconds=delay))
    assert len(server.requests) == 1, "only Temporal retries"


@pytest.mark.parametrize("tokens", ["streamed"], indirect=True)
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (cut(after=0), "connection_error"),
        (cut(after=1), "connection_error"),
        (cut(after=4), "connection_error"),
        (ended(after=4), "invalid_reply"),
        (raw(b"data: [DONE]\n\n", "text/event-stream"), "model_behavior"),
        (raw(b'data: {"error": {"message": "overloaded"}}\n\n', "text/event-stream"), "invalid_reply"),
    ],
)
async def test_a_stream_that_is_cut_is_retried_and_no_answer(
    activity: Any, server: OpenAIServer, reply: Reply, code: str
) -> None:
    server.will(reply)
    failure = await fail(activity, node_call(prompt="p", model=MODEL))
    assert (failure.type, failure.non_retryable, len(server.requests)) == (code, False, 1)
    assert server.requests[0]["stream"] is True


async def test_a_provider_that_does_not_answer_in_time(activity: Any, server: OpenAIServer) -> None:
    server.will(text("late"))
    server.answering.clear()
    failure = await fail(activity, node_call(prompt="p", model=MODEL, timeout=0.2))
    server.answering.set()
    assert (failure.type, failure.non_retryable, len(server.requests)) == ("timeout", False, 1)


async def test_a_wrong_key_and_nobody_there() -> None:
    async with OpenAIServer.running() as server:
        wrong = LanguageModels(Settings(openai_base_url=server.url, openai_api_key=SecretStr("sk-wrong")))
        failure = await fail(AgentActivities(wrong, ToolRegistry()).run_agent, node_call(prompt="p", model=MODEL))
        assert (failure.type, failure.non_retryable) == ("model_unauthorized", True)
        await wrong.aclose()
    nobody = LanguageModels(Settings(openai_base_url="http://127.0.0.1:9/v1"))
    failure = await fail(AgentActivities(nobody, ToolRegistry()).run_agent, node_call(prompt="p", model=MODEL))
    assert (failure.type, failure.non_retryable) == ("connection_error", False)
    await nobody.aclose()


async def test_a_connection_that_is_closed_without_an_answer() -> None:
    async with serve_raw(b"") as url:
        models = LanguageModels(Settings(openai_base_url=f"{url}/v1"))
        failure = await fail(AgentActivities(models, ToolRegistry()).run_agent, node_call(prompt="p", model=MODEL))
        await models.aclose()
    assert (failure.type, failure.non_retryable) == ("connection_error", False)


async def test_an_agent_stops_at_its_turns(activity: Any, server: OpenAIServer) -> None:
    server.will(tool_calls(("price", {"item": "rope"})))
    failure = await fail(activity, node_call(prompt="p", model=MODEL, tools=["price"], max_turns=3))
    assert (failure.type, failure.non_retryable, len(server.requests)) == ("max_turns", True, 3)
    assert failure.details[0]["usage"]["requests"] == 3


async def test_an_agent_stops_at_its_budget_and_says_what_it_spent(activity: Any, server: OpenAIServer) -> None:
    server.will(tool_calls(("price", {"item": "rope"})))
    failure = await fail(activity, node_call(prompt="p", model=MODEL, tools=["price"], max_cost=0.001))
    assert (failure.type, failure.non_retryable) == ("budget_exceeded", True)
    used = failure.details[0]["usage"]
    assert used["cost"] > 0.001
    assert used["requests"] == len(server.requests) == 3


async def test_a_budget_that_cannot_be_kept_is_refused_before_anything_is_spent(
    activity: Any, server: OpenAIServer
) -> None:
    server.will(text("Hello"))
    failure = await fail(activity, node_call(prompt="p", model="openai:my-own-model", max_cost=1))
    assert (failure.type, failure.non_retryable, server.requests) == ("price_unknown", True, [])


async def test_unknown_models_and_tools_are_refused_before_anything_is_spent(
    activity: Any, server: OpenAIServer
) -> None:
    server.will(text("Hello"))
    for data, code in (
        ({"model": "nobody:x"}, "model_config"),
        ({"model": "openai:"}, "model_config"),
        ({"model": "anthropic:claude-sonnet-4-6"}, "model_config"),
        ({"tools": ["no_such_tool"]}, "unknown_tool"),
    ):
        failure = await fail(activity, node_call(**{"prompt": "p", "model": MODEL} | data))
        assert (failure.type, failure.non_retryable, server.requests) == (code, True, [])


async def test_a_call_of_another_run_asks_no_model(activity: Any, server: OpenAIServer) -> None:
    server.will(text("Hello"))
    failure = await fail(activity, node_call(prompt="p", model=MODEL, run_id="before the reset"))
    assert (failure.type, server.requests) == ("parked", [])
