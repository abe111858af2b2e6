"""Server-sent events: a stream that a client can take up again where it was cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from cairn.errors import CairnError
from cairn.observability import get_logger

_log = get_logger("cairn.api")

LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID", ge=0, description="Number of the last event that was seen; the stream goes on after it."
    ),
]


def streams(data: type[BaseModel], description: str, *others: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route whose events carry ``data``, or one of the others, as JSON."""
    schemas = [each.model_json_schema(mode="serialization") for each in (data, *others)]
    event = {
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": {"type": "string"},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"anyOf": schemas} if others else schemas[0],
            },
        },
    }
    text = f"{description} A comment every 15 seconds keeps the connection open."
    return {200: {"description": text, "content": {"text/event-stream": {"itemSchema": event}}}}


async def _until_it_breaks(events: AsyncIterator[ServerSentEvent]) -> AsyncIterator[bytes]:
    """End the stream when it cannot go on: the client comes back with ``Last-Event-ID`` and loses nothing."""
    try:
        async for event in events:
            yield event.encode().replace(b"\r\n", b"\n")  # some clients take nothing else for the end of an event
    except CairnError as error:
        _log.warning("event stream was cut", code=error.code)


class _Stream(EventSourceResponse):
    """A stream that ends when its client takes nothing for ``CAIRN_STREAM_PATIENCE``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.send_timeout = scope["app"].state.context.settings.stream_patience
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            _log.warning("event stream was cut", code="client_takes_nothing")


def stream(events: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
    """Answer with a stream of events, each line ended by a single newline."""
    return _Stream(_until_it_breaks(events), ping=15, sep="\n")
