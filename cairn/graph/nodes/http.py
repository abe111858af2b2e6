"""http: one HTTP request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import HTTP_REQUEST
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate, render
from cairn.graph.nodes.headers import wrong_header_name


class HttpData(NodeData):
    """Data of an http node.

    Attributes:
        method: HTTP method.
        url: text.
        headers: texts by header name.
        body: expression of the JSON body; absent for none.
        expect: statuses that are success; None for 200-299.
        credential_uuid: credential whose headers the request carries.
    """

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    url: Name
    headers: dict[str, str] = Field(default_factory=dict)
    body: Json = None
    expect: list[int] | None = None
    credential_uuid: Name | None = None


class Http(NodeKind[HttpData]):
    """The kind."""

    def resolve(self, data: HttpData, scope: Scope) -> JsonObject:
        """Render URL and headers, evaluate the body."""
        return {
            "method": data.method,
            "url": render(data.url, scope),
            "headers": {name: render(text, scope) for name, text in data.headers.items()},
            "body": evaluate(data.body, scope),
            "has_body": data.body is not None,
            "expect": data.expect,
            # Only where there is one: the digests of what nodes did without stay as they were.
            **({"credential_uuid": data.credential_uuid} if data.credential_uuid else {}),
        }

    def expressions(self, data: HttpData) -> Sources:
        """The body."""
        if isinstance(data.body, str):
            yield "body", data.body

    def texts(self, data: HttpData) -> Sources:
        """URL and headers."""
        yield "url", data.url
        for name, text in data.headers.items():
            yield f"headers.{name}", text

    def problems(self, data: HttpData) -> Iterable[tuple[str, str]]:
        """Names of headers that HTTP does not allow."""
        for name in data.headers:
            if wrong := wrong_header_name(name):
                yield f"headers.{name}", wrong


KIND = Http(type="http", Data=HttpData, activity=HTTP_REQUEST, checkpointed=True, timeout=300.0)
