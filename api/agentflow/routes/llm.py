"""Direct calls of language models, outside of any agent."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sse_starlette import EventSourceResponse

from api.agentflow.conventions import Error
from api.agentflow.deps import DirectLlmCalls, LlmSuggestions
from api.agentflow.schemas.llm import (
    AutocompleteRequest,
    AutocompleteResponse,
    ChatEvent,
    ChatRequest,
    ChatResponse,
    RecommendRequest,
    RecommendResponse,
    server_sent,
)
from api.kit.auth import may
from api.kit.deps import Tokens
from api.kit.route import SurfaceRoute
from api.kit.sse import stream, streams
from api.kit.unit_of_work import Unit

router = APIRouter(prefix="/api/v1/llm", tags=["llm"], route_class=SurfaceRoute)
CALL = may("llm:call")
FAILS: dict[int | str, dict[str, Any]] = {
    403: {"model": Error, "description": "A scope is missing, or the model is not allowed (`model_not_allowed`)."},
    409: {"model": Error, "description": "Mode `byok`, and no key for the model's provider (`llm_key_missing`)."},
    502: {"model": Error, "description": "The provider refuses or fails, or the model does; `code` says how."},
    503: {"model": Error, "description": "The model takes too long (`timeout`), or something needed does not answer."},
}
_STREAM = streams(ChatEvent, "Or, with `stream`: `start`, then each `delta`, at last `end` or `error`.")


@router.post(
    "/chat",
    response_model=ChatResponse,
    dependencies=[CALL],
    responses={**FAILS, **_STREAM},
)
async def chat(
    body: ChatRequest, calls: DirectLlmCalls, feed: Tokens, unit: Unit
) -> ChatResponse | EventSourceResponse:
    """Let a model go on with a conversation; nothing of it is kept beside the record of the call in Temporal.

    With `stream` the answer comes as server-sent events, while the model writes. What fails before the first of them
    is told by the HTTP status. A second `start` says that the model begins anew: what was told before it is void. With
    an `Idempotency-Key`, the same request sent again tells the same answer and asks no model twice.
    """
    question = body.question()
    choice = await calls.choose("chat", body.model)
    await unit.commit(resource_id=unit.operation_key if body.stream else None)
    if body.stream:
        return stream(server_sent(await calls.stream(question, choice, feed, unit.operation_key)))
    return ChatResponse.answered(await calls.ask(question, choice, unit.operation_key))


@router.post("/autocomplete", dependencies=[CALL], responses=FAILS)
async def autocomplete(body: AutocompleteRequest, suggestions: LlmSuggestions, unit: Unit) -> AutocompleteResponse:
    """Suggest what may be inserted at the cursor, by the default model of the use case `autocomplete`.

    Without a language model (`offline`) the text goes on as it did where its last words stood before.
    """
    cursor = body.position()
    await unit.commit()  # no transaction stays open while a model writes
    found = await suggestions.complete(body.text, cursor, body.max_suggestions, unit.operation_key)
    return AutocompleteResponse.of(found)


@router.post("/recommend", dependencies=[CALL], responses=FAILS)
async def recommend(body: RecommendRequest, suggestions: LlmSuggestions, unit: Unit) -> RecommendResponse:
    """Recommend what fits a context, by the default model of the use case `recommend`, each with a reason.

    Without a language model (`offline`) those items come first that share most words with the context.
    """
    await unit.commit()  # no transaction stays open while a model writes
    found = await suggestions.recommend(body.context, body.items, body.kind, body.limit, unit.operation_key)
    return RecommendResponse.of(found)
