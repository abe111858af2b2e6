from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from calls import RUN_ID, fail, node_call, run
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from activities.llm import AgentActivities
from cairn.contracts.executions import Usage
from cairn.contracts.nodes import NodeResult
from cairn.domain.executions.token_readers import Visit, VisitReader
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.tools import ToolContext, ToolRegistry, load_tools, tool
from cairn.persistence.session import Database, create_engine
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings

ACTIVITY = AgentActivities(LanguageModels(Settings()), load_tools(Settings())).run_agent
FIRST_LINE = "Offline answer (made from templates, not by a language model)."


async def ask(prompt: str, **data: Any) -> NodeResult:
    return await run(ACTIVITY, node_call(prompt=prompt, **data))


async def test_it_is_the_default_and_says_what_it_is() -> None:
    result = await ask("Why is the sky blue?")
    assert result.model == "offline"
    assert str(result.value).startswith(FIRST_LINE)
    assert "Asked: Why is the sky blue?" in result.value
    assert "Set CAIRN_DEFAULT_MODEL" in result.value


async def test_what_was_answered_before_is_not_answered_again() -> None:
    told: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart("What is 6 * 7?")]),
        ModelResponse(parts=[ToolCallPart("calculate", {"expression": "6 * 7"}, "c1")]),
        ModelRequest(parts=[ToolReturnPart("calculate", 42, "c1")]),
        ModelResponse(parts=[TextPart("It is 42.")]),
        ModelRequest(parts=[UserPromptPart("And what is 6 * 8?")]),
    ]
    schema = {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}
    tool_of = ModelRequestParameters(function_tools=[ToolDefinition(name="calculate", parameters_json_schema=schema)])
    model = (await LanguageModels(Settings()).resolve("offline")).model
    (call,) = (await model.request(told, None, tool_of)).parts
    assert isinstance(call, ToolCallPart) and call.args == {"expression": "6 * 8"}
    told += [ModelResponse(parts=[call]), ModelRequest(parts=[ToolReturnPart("calculate", 48, call.tool_call_id)])]
    (said,) = (await model.request(told, None, tool_of)).parts
    assert isinstance(said, TextPart) and "Asked: And what is 6 * 8?" in said.content
    assert "48" in said.content and "42" not in said.content


async def test_it_uses_no_tokens_and_costs_nothing() -> None:
    result = await ask("Why is the sky blue?", max_cost=0.01)
    assert result.usage == Usage(requests=1, input_tokens=0, output_tokens=0, cost=0.0)


async def test_the_same_input_has_the_same_answer() -> None:
    first, second = [await ask("Find articles on sagas", tools=["search_library"]) for _ in range(2)]
    assert first == second


async def test_it_uses_a_tool_when_the_prompt_asks_for_what_the_tool_gives() -> None:
    result = await ask("Find information on sagas and compensation", tools=["search_library", "calculate"])
    assert "From search_library:" in result.value
    assert "A compensation is not a rollback." in result.value
    assert "From calculate:" not in result.value
    assert result.usage is not None and result.usage.requests == 2


@pytest.mark.parametrize(
    ("prompt", "tool_name", "found"),
    [
        ("What is (3 + 4) * 2?", "calculate", "From calculate:\n- 14"),
        ("What time is it in Asia/Tokyo?", "current_time", "+09:00"),
        ('Use echo for "these very words"', "echo", "these very words"),
    ],
)
async def test_it_finds_the_arguments_of_a_tool_in_the_prompt(prompt: str, tool_name: str, found: str) -> None:
    assert found in (await ask(prompt, tools=[tool_name])).value


async def test_it_leaves_a_tool_alone_when_the_prompt_does_not_ask_for_it() -> None:
    for tools in (["search_library"], ["calculate"], ["current_time"]):
        result = await ask("Who painted the ceiling?", tools=tools)
        assert result.usage is not None and result.usage.requests == 1


async def test_it_leaves_a_tool_alone_whose_arguments_are_not_in_the_prompt() -> None:
    called: list[int] = []

    @tool
    def order_pizza(tables: list[int], size: int, context: ToolContext) -> str:
        """Order a pizza for tables."""
        called.append(size)
        return "ordered"

    activity = AgentActivities(LanguageModels(Settings()), ToolRegistry([order_pizza])).run_agent
    await run(activity, node_call(prompt="Order a pizza", tools=["order_pizza"]))
    assert called == []


async def test_it_quotes_the_sentences_of_the_input_that_bear_on_the_question() -> None:
    notes = (
        "Our office has a nice view over the old harbour of the town.\n"
        "Retries with back-off keep a service alive when it is overloaded.\n"
        "The canteen opens at noon and serves soup on every Friday.\n"
    ) * 2
    result = await ask(f"How do retries help an overloaded service?\n{notes * 10}")
    assert "- Retries with back-off keep a service alive when it is overloaded." in result.value
    assert result.value.count("Retries with back-off") == 1


async def test_an_earlier_offline_answer_is_not_quoted_as_a_source() -> None:
    first = await ask("Find information on heartbeats", tools=["search_library"])
    second = await ask(f"Write a report on heartbeats from these notes:\n{first.value}")
    assert second.value.count("Offline answer") == 1
    assert second.value.count("Asked:") == 1
    assert "A heartbeat is a sign of life" in second.value


@pytest.mark.parametrize(
    ("prompt", "schema", "value"),
    [
        (
            'Extract the order: {"order": "A-7", "lines": [{"sku": "x", "qty": 2}], "total": 19.5}',
            {
                "type": "object",
                "properties": {
                    "order": {"type": "string"},
                    "total": {"type": "number"},
                    "lines": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"sku": {"type": "string"}, "qty": {"type": "integer"}},
                            "required": ["sku", "qty"],
                        },
                    },
                },
                "required": ["order", "total", "lines"],
            },
            {"order": "A-7", "total": 19.5, "lines": [{"sku": "x", "qty": 2}]},
        ),
        ("Is it high or low? It is low.", {"enum": ["high", "low"]}, "high"),
        ("The meeting is on 2026-03-04.", {"type": "string", "format": "date"}, "2026-03-04"),
        ("Mail ada@example.org today", {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"}, "ada@example.org"),
        ("There are 12 monkeys", {"type": "integer", "minimum": 10}, 12),
        ("Anything", {"type": "array", "items": {"type": "integer"}}, []),
        ("Anything", {"anyOf": [{"type": "null"}, {"const": 5}]}, 5),
        ("A short text", {"type": "string", "maxLength": 5}, "A sho"),
    ],
)
async def test_it_fills_a_schema_from_the_input(prompt: str, schema: dict[str, Any], value: Any) -> None:
    assert (await ask(prompt, output_schema=schema)).value == value


async def test_what_it_fills_satisfies_the_schema() -> None:
    schema = {
        "type": "object",
        "$defs": {"question": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
        "properties": {
            "topic": {"type": "string", "minLength": 3},
            "questions": {"type": "array", "items": {"$ref": "#/$defs/question"}, "minItems": 2},
            "depth": {"enum": ["shallow", "deep"]},
            "score": {"type": "number", "minimum": 0.25, "maximum": 0.75},
            "extra": {"type": ["string", "null"], "pattern": "^zzz$"},
        },
        "required": ["topic", "questions", "depth", "score", "extra"],
        "additionalProperties": False,
    }
    value = (await ask("Plan a deep research on: idempotency keys", output_schema=schema)).value
    jsonschema_rs.validate(schema, value)
    assert value["depth"] == "deep"


async def test_it_refuses_a_schema_whose_values_it_cannot_find() -> None:
    schema = {"type": "object", "properties": {"mail": {"type": "string", "pattern": "@"}}, "required": ["mail"]}
    error = await fail(ACTIVITY, node_call(prompt="No mail here", output_schema=schema))
    assert (error.type, error.non_retryable) == ("model_limit", True)


@pytest.mark.parametrize("prompt", ["", "\n\n", "{" * 5_000, "[" * 50_000, "a" * 100_000, "1+" * 20_000, ". " * 50_000])
async def test_odd_prompts_have_an_answer_soon(prompt: str) -> None:
    result = await ask(prompt, tools=["search_library", "calculate", "current_time"])
    assert str(result.value).startswith(FIRST_LINE)


@pytest.mark.parametrize(
    "data",
    [
        {"prompt": "Why is the sky blue?\nThe air scatters the short waves of the light more than the long ones."},
        {"prompt": "Find information on sagas and what is 3 + 4", "tools": ["search_library", "calculate"]},
        {"prompt": 'From: {"total": 12}', "output_schema": {"type": "object", "properties": {"total": {}}}},
        {"prompt": "Is it high or low?", "output_schema": {"enum": ["high", "low"]}},
    ],
)
async def test_what_it_streams_is_what_it_answers(data: dict[str, Any], sqlite_url: str) -> None:
    database = Database(create_engine(sqlite_url))
    streaming = AgentActivities(LanguageModels(Settings()), load_tools(Settings()), TokenWriter(database)).run_agent
    whole, streamed = await run(ACTIVITY, node_call(**data)), await run(streaming, node_call(**data))
    assert streamed == whole
    assert whole.usage is not None and whole.usage.output_tokens == 0
    told, _ = await VisitReader(database, Visit("t.e1", RUN_ID, "n1", 1)).read()
    assert told[-1].text in (whole.value, json.dumps(whole.value, separators=(",", ":")), '{"value":"high"}')
    await database.dispose()
