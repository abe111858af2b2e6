from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from calls import fail, node_call, run
from pydantic import SecretStr
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from activities.llm import AgentActivities
from cairn.domain.tools import ToolRegistry, load_tools
from cairn.providers.llm import LanguageModels, ModelConfigError
from cairn.providers.llm.local import find_weights
from cairn.settings import Settings

SECRET = SecretStr("a-key")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpt-5", "'gpt-5' has no known provider. Write provider:model with one of: anthropic, google, local, offline"),
        ("mystery:model", "no known provider"),
        (":", "no known provider"),
        ("openai:", "Name a model of openai, for example openai:"),
        ("openai:gpt-4o", "set CAIRN_OPENAI_API_KEY"),
        ("anthropic:claude-sonnet-4-6", "set CAIRN_ANTHROPIC_API_KEY"),
        ("google:gemini-3-flash", "set CAIRN_GOOGLE_API_KEY"),
        ("offline:large", "write offline"),
        ("local:large", "write local"),
    ],
)
async def test_a_model_that_cannot_be_used_says_why(name: str, message: str) -> None:
    models = LanguageModels(Settings())
    with pytest.raises(ModelConfigError, match=message.replace(".", r"\.")):
        await models.resolve(name)
    await models.aclose()


async def test_a_model_is_opened_once_and_the_default_is_a_setting() -> None:
    models = LanguageModels(Settings(default_model="openai:gpt-4o", openai_api_key=SECRET))
    assert await models.resolve(None) is await models.resolve("openai:gpt-4o")
    assert (await models.resolve(None)).settings == {"max_retries": 0}
    await models.aclose()


async def test_the_usual_variable_of_a_key_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    models = LanguageModels(Settings())
    assert (await models.resolve("openai:gpt-4o")).name == "openai:gpt-4o"
    await models.aclose()


def _anthropic_stream(model: str, text: str) -> list[dict[str, Any]]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    usage = {"input_tokens": 10, "output_tokens": 1}
    return [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ]


class Cloud:
    """Speaks as much of Anthropic's and Google's protocols as one turn needs."""

    def __init__(self) -> None:
        self.busy = False
        self.cut = False
        self.keys: list[str | None] = []

    async def anthropic(self, request: Request) -> Response:
        self.keys.append(request.headers["authorization"].removeprefix("Bearer "))
        if self.busy:
            body = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
            return JSONResponse(body, 429, {"retry-after": "3"})
        body = await request.json()
        assert body["stream"] is True
        events = _anthropic_stream(body["model"], f"Hello {body['messages'][0]['content'][0]['text']}")

        async def stream() -> AsyncIterator[str]:
            for event in events[:3] if self.cut else events:
                yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
            if self.cut:
                raise ConnectionResetError("cut by the test")

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def google(self, request: Request) -> Response:
        self.keys.append(request.headers.get("x-goog-api-key"))
        if self.busy:
            body = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
            return JSONResponse(body, 503, {"retry-after": "3"})
        body = await request.json()
        text = f"Hello {body['contents'][0]['parts'][0]['text']}"
        return JSONResponse(
            {
                "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
                "modelVersion": "gemini-2.5-flash",
            }
        )


@pytest.fixture
async def cloud() -> AsyncGenerator[tuple[Cloud, Any]]:
    made = Cloud()
    routes = [
        Route("/v1/messages", made.anthropic, methods=["POST"]),
        Route("/v1beta/models/{model}", made.google, methods=["POST"]),
    ]
    async with serve(Starlette(routes=routes)) as url:
        models = LanguageModels(
            Settings(anthropic_base_url=url, anthropic_api_key=SECRET, google_base_url=url, google_api_key=SECRET)
        )
        yield made, AgentActivities(models, ToolRegistry()).run_agent
        await models.aclose()


@pytest.mark.parametrize(
    ("model", "code", "price"),
    [
        ("anthropic:claude-sonnet-4-6", "rate_limited", (10 * 3 + 5 * 15) / 1e6),
        ("google:gemini-2.5-flash", "model_unavailable", (10 * 0.3 + 5 * 2.5) / 1e6),
    ],
)
async def test_anthropic_and_google(cloud: tuple[Cloud, Any], model: str, code: str, price: float) -> None:
    server, activity = cloud
    result = await run(activity, node_call(prompt="world", model=model))
    assert (result.value, result.model) == ("Hello world", model)
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (10, 5)
    assert result.usage.cost == pytest.approx(price)
    server.busy = True
    error = await fail(activity, node_call(prompt="world", model=model))
    assert (error.type, error.non_retryable) == (code, False)
    assert error.next_retry_delay == timedelta(seconds=3)
    assert server.keys == ["a-key", "a-key"], "only Temporal retries"


async def test_a_stream_that_is_cut_is_retried(cloud: tuple[Cloud, Any]) -> None:
    server, activity = cloud
    server.cut = True
    error = await fail(activity, node_call(prompt="world", model="anthropic:claude-sonnet-4-6"))
    assert (error.type, error.non_retryable, len(server.keys)) == ("connection_error", False, 1)


@pytest.mark.skipif(find_weights() is not None, reason="the extra `local` is installed")
async def test_without_its_extra_the_local_model_says_what_to_install() -> None:
    models = LanguageModels(Settings())
    with pytest.raises(ModelConfigError, match="extra `local`"):
        await models.resolve("local")
    await models.aclose()


@pytest.mark.skipif(find_weights() is None, reason="the extra `local` is not installed")
@pytest.mark.timeout(600)
async def test_the_local_model_writes_uses_tools_and_fills_schemas() -> None:
    models = LanguageModels(Settings(default_model="local"))
    activity = AgentActivities(models, load_tools(Settings())).run_agent
    text = await run(activity, node_call(prompt="What is the capital of Germany? Answer in one sentence."))
    assert "Berlin" in str(text.value)
    assert text.usage is not None and text.usage.output_tokens > 3 and text.usage.cost == 0.0
    found = await run(activity, node_call(prompt="Find information on heartbeats", tools=["search_library"]))
    assert found.usage is not None and found.usage.requests == 2
    assert found.usage.input_tokens > 60, "the notes stand before the model"
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    filled = await run(activity, node_call(prompt="Ada is 36 years old. Who is she?", output_schema=schema))
    assert filled.value == {"name": "Ada", "age": 36}
    await models.aclose()
