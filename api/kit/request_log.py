"""Gives each request its id and its one log line. Pure ASGI: streams pass through untouched."""

from __future__ import annotations

import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cairn.observability import bound, get_logger

_CALLERS_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_log = get_logger("cairn.api")


class RequestLog:
    """Middleware: ``scope["state"]["request_id"]``, header ``X-Request-ID``, and a log line a request.

    A caller's own ``X-Request-ID`` is taken over when it is 1 to 128 letters, digits, ``_``, ``.`` or ``-``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _CALLERS_ID.fullmatch(given) else f"req_{uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        started = time.perf_counter()
        # The path is kept: below, a dispatcher and mounts rewrite the scope.
        method, path = scope["method"], scope["path"]
        with bound(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                milliseconds = round((time.perf_counter() - started) * 1000, 1)
                known = {"tenant": scope["state"].get("tenant"), **scope.get("path_params", {})}
                _log.info("request", method=method, path=path, status=status, ms=milliseconds, **known)
