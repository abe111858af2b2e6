"""Streams of answers that are known whole before they are told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic_ai.messages import (
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import CompletedStreamedResponse, ModelRequestParameters, StreamedResponse

_WORDS = re.compile(r"\S+\s*|\s+")


def stream_of(response: ModelResponse, parameters: ModelRequestParameters) -> StreamedResponse:
    """Return a stream that tells the response's texts word by word and its other parts at once."""
    events = [event for index, _ in enumerate(response.parts) for event in _events(response, index)]
    return CompletedStreamedResponse(response, model_request_parameters=parameters, replay_events=events)


def _events(response: ModelResponse, index: int) -> Iterator[ModelResponseStreamEvent]:
    part = response.parts[index]
    if isinstance(part, TextPart):
        yield PartStartEvent(index=index, part=TextPart(""))
        for word in _WORDS.findall(part.content):
            yield PartDeltaEvent(index=index, delta=TextPartDelta(word))
    else:
        yield PartStartEvent(index=index, part=part)
    yield PartEndEvent(index=index, part=part)
