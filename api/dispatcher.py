"""Chooses the surface of a request; each surface is an application with its full documented paths."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

BASE = "/api/v1"

_BY_RESOURCE = {
    **dict.fromkeys(("executions", "checkpoints", "schedules"), "omium"),
    **dict.fromkeys(("workflow", "folder", "node-types", "public"), "voice"),
    **dict.fromkeys(("tools", "credentials", "knowledge-base", "workflow-recordings"), "voice"),
    **dict.fromkeys(
        ("contacts", "companies", "tickets", "scorecards", "rubrics", "training", "webhooks", "export"), "omniflow"
    ),
}
_SHARED = ("agents", "conversations")
"""Resources that two surfaces have under the same path: the key's prefix tells which one is meant."""


class Dispatcher:
    """ASGI application over the surfaces.

    The first path segment may name the surface, and is then taken off; ``/dograh`` is another view of voice,
    ``/workflow`` is voice without its base, ``/v1`` is workflux, ``/codec`` the codec server. Else the resource under
    ``/api/v1`` decides.
    """

    def __init__(self, surfaces: Mapping[str, ASGIApp], fallback: str) -> None:
        """Take the applications by the names of their surfaces.

        Args:
            surfaces: the applications.
            fallback: name of the surface that has everything else.
        """
        self._surfaces = surfaces
        self._fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to its surface."""
        # In place: what is around this application reads from the scope which route was found.
        name, scope["path"] = self._choose(scope)
        await self._surfaces[name](scope, receive, send)

    def _choose(self, scope: Scope) -> tuple[str, str]:
        """Return the surface's name and the path as the surface declares it."""
        path: str = scope["path"]
        first, _, rest = path.removeprefix("/").partition("/")
        if first == "codec":
            return first, path
        if first in self._surfaces or first == "dograh":
            scope.setdefault("state", {})["view"] = first
            path = f"/{rest}"
        if first in ("voice", "dograh", "workflow"):
            return "voice", path if not path.startswith("/workflow") else BASE + path
        if first in self._surfaces:
            return first, path
        return ("workflux" if first == "v1" else self._by_resource(path, Headers(scope=scope))), path

    def _by_resource(self, path: str, headers: Headers) -> str:
        resource = path.removeprefix(f"{BASE}/").partition("/")[0] if path.startswith(f"{BASE}/") else ""
        key = headers.get("x-api-key") or headers.get("authorization", "").partition(" ")[2]
        if resource in _SHARED and key.strip().startswith("omf_"):
            return "omniflow"
        return _BY_RESOURCE.get(resource, self._fallback)
