"""The world outside: a model that speaks as OpenAI's do, a receiver of notifications; both err by a seed."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cairn.ports import find_free
from chaos.records import SAID, Delivery

HOST = "127.0.0.1"
MODEL, TOLD = "/v1", "/told"
"""Paths of the model and of the receiver."""

DEEDS = {"slow": 15, "failing": 15, "busy": 10, "cut": 10}
"""What goes wrong with how many of 100 requests."""

TOOL = "spend"
"""The tool that the model calls."""

_STALL = 8.0


class _Server(uvicorn.Server):
    """One that leaves the signals of the driver alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


class Outside:
    """What executions talk to.

    Attributes:
        rages: whether it errs and stalls.
        done: how often it did, by who and how.
        deliveries: the notifications that came, oldest first.
    """

    def __init__(self, seed: int) -> None:
        """Take a seed of all chance; nothing is started yet."""
        self.port = find_free()
        self.rages = True
        self.done: Counter[tuple[str, str]] = Counter()
        self.deliveries: list[Delivery] = []
        self._chance = random.Random(f"{seed}/outside")
        routes = [
            Route(f"{MODEL}/chat/completions", self._complete, methods=["POST"]),
            Route(TOLD, self._told, methods=["POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            host=HOST,
            port=self.port,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def model_url(self) -> str:
        """Base URL of the model."""
        return f"http://{HOST}:{self.port}{MODEL}"

    @property
    def told_url(self) -> str:
        """Where notifications go."""
        return f"http://{HOST}:{self.port}{TOLD}"

    async def open(self) -> None:
        """Serve."""
        self._task = asyncio.create_task(self._server.serve())

    async def close(self) -> None:
        """Serve no more."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task

    async def _trouble(self, who: str) -> str | None:
        """Return what goes wrong with a request, having waited if that is that it is slow."""
        if not self.rages:
            return None
        (deed,) = self._chance.choices([None, *DEEDS], [100 - sum(DEEDS.values()), *DEEDS.values()])
        if deed is not None:
            self.done[who, deed] += 1
        if deed == "slow":
            await asyncio.sleep(self._chance.uniform(0.5, _STALL))
        return deed

    async def _complete(self, request: Request) -> Response:
        body = json.loads(await request.body())
        deed = await self._trouble("model")
        if deed == "busy":
            return _refusal(429, {"retry-after": "1"})
        if deed == "failing":
            return _refusal(self._chance.choice([500, 502, 503]), {})
        if body.get("stream"):
            return StreamingResponse(_stream(body, cut=deed == "cut"), media_type="text/event-stream")
        whole = json.dumps(_completion(body)).encode()
        if deed == "cut":
            return StreamingResponse(_half(whole), headers={"content-length": str(len(whole))})
        return Response(whole, media_type="application/json")

    async def _told(self, request: Request) -> Response:
        """Take a notification; one that is cut off was taken, but who sent it does not know."""
        message = json.loads(await request.body())
        deed = await self._trouble("receiver")
        taken = deed not in ("busy", "failing")
        told = Delivery(message["id"], message["execution_id"], int(message["prompt"]), taken, time.time())
        self.deliveries.append(told)
        if deed == "cut":
            return StreamingResponse(_half(b"never whole"), headers={"content-length": "11"}, status_code=200)
        return Response(status_code=204) if taken else _refusal(429 if deed == "busy" else 500, {})


def _refusal(status: int, headers: dict[str, str]) -> Response:
    error = {"message": "by chance", "type": "server_error", "param": None, "code": "chance"}
    return JSONResponse({"error": error}, status, headers)


async def _half(whole: bytes) -> AsyncIterator[bytes]:
    yield whole[: len(whole) // 2]
    raise ConnectionResetError("by chance")


def _calls(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of tools that the model wants: one before its answer to what ends with an odd digit."""
    last = body["messages"][-1] if body.get("tools") else {"role": "nobody"}
    if last["role"] != "user" or not last["content"].endswith(tuple("13579")):
        return []
    arguments = json.dumps({"name": "talked", "seconds": 0.1})
    return [{"id": f"call_{uuid.uuid4().hex}", "type": "function", "function": {"name": TOOL, "arguments": arguments}}]


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    calls = _calls(body)
    message = {"role": "assistant", "content": None if calls else SAID, "refusal": None, "tool_calls": calls or None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    }


async def _stream(body: dict[str, Any], *, cut: bool) -> AsyncIterator[str]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": int(time.time()), "model": body["model"]}
    calls = [{"index": 0, **call} for call in _calls(body)]
    told = [{"tool_calls": [call]} for call in calls] or [{"content": f"{word} "} for word in SAID.split()]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *told]
    for number, delta in enumerate(deltas):
        if cut and number == 2:
            raise ConnectionResetError("by chance")
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}]})
    yield "data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"
