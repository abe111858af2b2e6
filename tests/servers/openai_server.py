"""A server that speaks OpenAI's chat completions as the real one does, and answers by a script."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "sk-test-key"
Reply: TypeAlias = Callable[[dict[str, Any]], Response]


def text(
    content: str,
    *,
    input_tokens: int = 100,
    output_tokens: int = 20,
    model: str | None = None,
    finish: str = "stop",
) -> Reply:
    return lambda body: _completion(
        body, {"role": "assistant", "content": content}, finish, input_tokens, output_tokens, model
    )


def thought(
    reasoning: str, then: Reply, *, by: str = "reasoning_content", gate: asyncio.Event | None = None, after: int = 0
) -> Reply:
    """Reason before a reply, in DeepSeek's and Moonshot's member or, as Ollama, OpenRouter and vLLM do, in `reasoning`.

    A stream waits at the gate after some chunks.
    """
    return lambda body: then({**body, _THOUGHT: ({by: reasoning}, gate, after)})


_THOUGHT = "thought"
"""In the body that a reply is made of: what comes before it."""


def tool_calls(*calls: tuple[str, Any]) -> Reply:
    """Ask for tools; arguments that are a string are sent as they are."""
    return said_and_asked(None, *calls)


def said_and_asked(said: str | None, *calls: tuple[str, Any]) -> Reply:
    """Say something and ask for tools."""

    def reply(body: dict[str, Any]) -> Response:
        made = [
            {
                "id": f"call_{name}_{number}",
                "type": "function",
                "function": {"name": name, "arguments": args if isinstance(args, str) else json.dumps(args)},
            }
            for number, (name, args) in enumerate(calls)
        ]
        return _completion(
            body, {"role": "assistant", "content": said, "tool_calls": made}, "tool_calls", 100, 20, None
        )

    return reply


def answer(value: Any) -> Reply:
    """Answer by the tool that carries the output schema."""

    def reply(body: dict[str, Any]) -> Response:
        names = [tool["function"]["name"] for tool in body["tools"]]
        (name,) = (each for each in names if each.startswith("final_result"))
        return tool_calls((name, value))(body)

    return reply


def error(status: int, code: str = "some_error", *, type: str = "invalid_request_error", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {"error": {"message": f"the reason ({code})", "type": type, "param": None, "code": code}}
    return lambda body: JSONResponse(content, status, named)


def raw(content: bytes, media_type: str = "application/json", status: int = 200) -> Reply:
    return lambda body: Response(content, status, media_type=media_type)


def cut(after: int = 2) -> Reply:
    """Promise a whole completion, send half of it (``after`` chunks of a stream) and break the connection."""

    def reply(body: dict[str, Any]) -> Response:
        if body.get("stream"):
            return _stream(
                _chunks(body, {"content": "an answer that never arrives"}, "stop", 1, 1)[:after], breaks=True
            )
        whole = text("an answer that never arrives")(body).body

        async def half() -> AsyncIterator[bytes]:
            yield whole[: len(whole) // 2]
            raise ConnectionResetError("cut by the script")

        return StreamingResponse(half(), headers={"content-length": str(len(whole))}, media_type="application/json")

    return reply


def ended(after: int = 2) -> Reply:
    """End a stream after some chunks as if it were whole."""
    return lambda body: _stream(_chunks(body, {"content": "an answer that never arrives"}, "stop", 1, 1)[:after])


def gated(content: str, gate: asyncio.Event, after: int = 2) -> Reply:
    """Stream a text, and wait at a gate after some chunks."""
    return lambda body: _stream(_chunks(body, {"content": content}, "stop", 10, 10), gate=gate, after=after)


def _chunks(
    body: dict[str, Any], message: dict[str, Any], finish: str, input_tokens: int, output_tokens: int
) -> list[dict[str, Any]]:
    """Return what a stream sends: the role, the text word by word, the arguments in halves, the end, the usage."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for member, reasoning in body.get(_THOUGHT, ({},))[0].items():
        deltas += [{"content": None, member: word} for word in re.findall(r"\S+\s*", reasoning)]
    deltas += [{"content": word} for word in re.findall(r"\S+\s*", message.get("content") or "")]
    for index, call in enumerate(message.get("tool_calls", [])):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        half = len(arguments) // 2
        deltas.append({"tool_calls": [{**call, "index": index, "function": {"name": name, "arguments": ""}}]})
        for part in (arguments[:half], arguments[half:]):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": finish}])
    usage = _usage(input_tokens, output_tokens) if body.get("stream_options", {}).get("include_usage") else None
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": int(time.time()), "model": body["model"]}
    told = [{**head, "choices": each, "usage": None} for each in choices]
    return [*told, {**head, "choices": [], "usage": usage}] if usage else told


def _stream(
    chunks: list[dict[str, Any]], *, breaks: bool = False, gate: asyncio.Event | None = None, after: int = 0
) -> Response:
    async def lines() -> AsyncIterator[str]:
        for number, chunk in enumerate(chunks):
            if gate is not None and number == after:
                await gate.wait()
            yield f"data: {json.dumps(chunk)}\n\n"
        if breaks:
            raise ConnectionResetError("cut by the script")
        yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def _usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    total = input_tokens + output_tokens
    return {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": total}


def _completion(
    body: dict[str, Any], message: dict[str, Any], finish: str, input_tokens: int, output_tokens: int, model: str | None
) -> Response:
    thoughts, gate, after = body.get(_THOUGHT, ({}, None, 0))
    if body.get("stream"):
        return _stream(_chunks(body, message, finish, input_tokens, output_tokens), gate=gate, after=after)
    return JSONResponse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model or body["model"],
            "choices": [{"index": 0, "message": {"refusal": None, **thoughts, **message}, "finish_reason": finish}],
            "usage": _usage(input_tokens, output_tokens),
        }
    )


class OpenAIServer:
    """Answers each request with the next reply of its script; the last one again and again.

    Attributes:
        url: base URL, with ``/v1``.
        models: names of those that it lists.
        requests: the bodies received.
        answering: while it is clear, requests are taken and not answered.
    """

    def __init__(self) -> None:
        self.url = ""
        self.models = ["test-model", "other-model"]
        self.requests: list[dict[str, Any]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self._script: deque[Reply] = deque()

    def will(self, *replies: Reply) -> None:
        self._script = deque(replies)
        self.requests.clear()

    async def _complete(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return error(401, "invalid_api_key")({})
        body = json.loads(await request.body())
        self.requests.append(body)
        await self.answering.wait()
        return (self._script.popleft() if len(self._script) > 1 else self._script[0])(body)

    async def _models(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return error(401, "invalid_api_key")({})
        await self.answering.wait()
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in self.models]
        return JSONResponse({"object": "list", "data": listed})

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncGenerator[OpenAIServer]:
        made = cls()
        routes = [
            Route("/v1/chat/completions", made._complete, methods=["POST"]),
            Route("/v1/models", made._models, methods=["GET"]),
        ]
        async with serve(Starlette(routes=routes)) as base:
            made.url = f"{base}/v1"
            yield made
            made.answering.set()
