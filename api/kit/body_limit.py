"""Refuses a body that is too large as soon as that is known: by its declared length, else while it comes in."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.kit.route import respond

_LINGER = 4 * 1024 * 1024


class BodyLimit:
    """Middleware of a surface's application. Starlette's own answers in plain text, which no surface documents."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self.limit:
            await respond(Request(scope), self._too_large())(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                ended = not message.get("more_body") or await _ends_soon(receive)
                raise self._too_large({} if ended else {"Connection": "close"})
            return message

        await self.app(scope, counted, send)

    def _too_large(self, headers: dict[str, str] | None = None) -> HTTPException:
        return HTTPException(413, f"The body is over {self.limit} bytes.", headers)


async def _ends_soon(receive: Receive) -> bool:
    """Read on for a little, so that a client that reads no reply before it has sent all gets one; say if it had."""
    rest = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while rest < _LINGER:
                message = await receive()
                rest += len(message.get("body", b""))
                if not message.get("more_body"):
                    return True
    return False
