"""A server that speaks OpenAI's chat completions and answers every request after half a second."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from work import THINKING

from cairn import orderly

ANSWER = (
    b'{"id":"bench","object":"chat.completion","created":0,"model":"bench","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"%s"}}],'
    b'"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}'
) % (b"A sentence of the model. " * 4).strip()


async def complete(request: Request) -> Response:
    """Answer as late as a model does."""
    await request.body()
    await asyncio.sleep(THINKING)
    return Response(ANSWER, media_type="application/json")


if __name__ == "__main__":
    orderly.die_with_parent()
    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, backlog=4096)
