"""Running agents: turns of conversations."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from fastapi import APIRouter
from sse_starlette import EventSourceResponse

from api.agentflow.conventions import Error
from api.agentflow.deps import Chat
from api.agentflow.schemas.chat import (
    ChatReply,
    ChatWithAgent,
    RunSubagent,
    TurnEvent,
    server_sent,
)
from api.kit.auth import may
from api.kit.deps import Tokens
from api.kit.route import SurfaceRoute
from api.kit.sse import LastEventId, stream, streams
from api.kit.unit_of_work import Unit
from cairn.domain.chat import ChatService, Turn
from cairn.domain.executions.stream import TokenFeed

router = APIRouter(prefix="/api/v1/agent/{agent_id}", tags=["agent execution"], route_class=SurfaceRoute)
RUN = may("agents:run")
FAILS: dict[int | str, dict[str, Any]] = {
    403: {"model": Error, "description": "A scope is missing, or the model is not allowed (`model_not_allowed`)."},
    409: {
        "model": Error,
        "description": "Another turn is under way (`turn_running`), the message's id is another one's "
        "(`message_exists`), something is archived, or no key for the model is kept (`llm_key_missing`).",
    },
    502: {"model": Error, "description": "Without `stream`: the turn failed; `code` says how."},
    503: {"model": Error, "description": "The turn takes longer (`turn_running`), or something does not answer."},
}
_STREAM = streams(TurnEvent, "With `stream`: the turn's events from its beginning; ends after `end` or `error`.")
ANSWERS = {**FAILS, **_STREAM}
Answer: TypeAlias = ChatReply | EventSourceResponse


class Followed(NamedTuple):
    """How a caller follows a turn: by events, with more of them, after which; or as a whole."""

    stream: bool
    verbose: bool
    after: int | None = None


@router.post("/chat", response_model=ChatReply, dependencies=[RUN], responses=ANSWERS)
async def chat_with_agent(
    agent_id: str, body: ChatWithAgent, chat: Chat, feed: Tokens, unit: Unit, last_event_id: LastEventId = None
) -> Answer:
    """Say something to an agent. Its turn is an execution, which goes on whether anybody listens or not.

    The same `message_id` sent again attaches to the turn that it has begun, running or finished, and never runs it
    twice; with `Last-Event-ID` its stream goes on after that event, on whichever API process. A `restart` says that the
    text since the last `start` of its `call_id` is void: a worker died, or the model begins anew.
    """
    turn = await chat.begin(agent_id, body.said(unit.operation_key))
    return await followed(chat, turn, feed, unit, Followed(body.stream, body.verbose, last_event_id))


@router.post("/subagents/{subagent_id}/run", response_model=ChatReply, dependencies=[RUN], responses=ANSWERS)
async def run_subagent(
    agent_id: str,
    subagent_id: str,
    body: RunSubagent,
    chat: Chat,
    feed: Tokens,
    unit: Unit,
    last_event_id: LastEventId = None,
) -> Answer:
    """Have a sub-agent take a turn by itself, as `chat` has an agent."""
    turn = await chat.begin(agent_id, body.said(unit.operation_key), subagent_id)
    return await followed(chat, turn, feed, unit, Followed(body.stream, body.verbose, last_event_id))


async def followed(chat: ChatService, turn: Turn, feed: TokenFeed, unit: Unit, how: Followed) -> Answer:
    """Have a turn taken, and answer with its events or as a whole."""
    await unit.commit(resource_id=turn.execution_id)
    await chat.start(turn)
    if how.stream:
        return stream(server_sent(await chat.events(turn, feed, how.after, verbose=how.verbose)))
    return ChatReply.of(await chat.whole(turn, feed))
