"""Running agents: turns of conversations."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Discriminator
from sse_starlette import EventSourceResponse

from api.agentflow.ag_ui import RunTeller, run_events
from api.agentflow.conventions import Error
from api.agentflow.deps import Chat
from api.agentflow.schemas.ag_ui import AgUiEvent, InterruptAnswer, RunAgent
from api.agentflow.schemas.chat import (
    ChatReply,
    ChatWithAgent,
    RunSubagent,
    TurnEvent,
    server_sent,
)
from api.kit.auth import may
from api.kit.body import FORM, form
from api.kit.deps import Requests, Tokens
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from api.kit.sse import LastEventId, stream, streams
from api.kit.unit_of_work import Unit
from cairn.domain.chat import ChatService, Turn
from cairn.domain.executions.story import TokenFeed
from cairn.domain.principal import Principal
from cairn.domain.requests.service import RequestService
from cairn.errors import NotFound

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
_TOLD = "With `stream`: the turn's events from its beginning; ends after `end` or `error`."
_AG_UI = " With `protocol=ag-ui` they are those of AG-UI 1; ends after `RUN_FINISHED` or `RUN_ERROR`."
ANSWERS = {**FAILS, **streams(TurnEvent, _TOLD)}
CHAT_ANSWERS = {
    **FAILS,
    410: {"model": Error, "description": "The time of an interrupt that AG-UI's `resume` answers is over."},
    **streams(TurnEvent, _TOLD + _AG_UI, AgUiEvent),
}
Answer: TypeAlias = ChatReply | EventSourceResponse


def _form_of(body: Any) -> str:
    return FORM + ("ag-ui" if isinstance(body, RunAgent) or (isinstance(body, dict) and "threadId" in body) else "own")


Said = Annotated[Annotated[ChatWithAgent, form("own")] | Annotated[RunAgent, form("ag-ui")], Discriminator(_form_of)]
Protocol = Annotated[
    Literal["ag-ui"] | None,
    Query(
        description="Of the stream: that of AG-UI in place of the events of this API. A body that is AG-UI's "
        "`RunAgentInput` has it without this, too."
    ),
]
Verbose = Annotated[
    bool, Query(description="As `verbose` of the body; with AG-UI, what the model thinks, as events of reasoning.")
]


class Followed(NamedTuple):
    """How a caller follows a turn: by events, with more of them, after which; or as a whole."""

    stream: bool
    verbose: bool
    after: int | None = None


class AgUiRun(NamedTuple):
    """A run that a front end asks for, and whether it wants to know what the model thinks."""

    run: RunAgent
    verbose: bool


class Answering(NamedTuple):
    """What a run of AG-UI answers interrupts with."""

    requests: RequestService
    principal: Principal

    async def to(self, run: RunAgent, turn: Turn) -> list[InterruptAnswer]:
        """Return what the run's front end says to interrupts of the turn that wait for it.

        One that is cancelled is passed over when nobody waits for it any more, and a question always.

        Raises:
            InvalidInput: an answer has not the form that was asked for.
            Forbidden: the key may not answer.
            NotFound: the turn has no such interrupt.
        """
        found: list[InterruptAnswer] = []
        for said in run.answers():
            self.principal.require("approvals:write")
            request = await self.requests.get(said.kind, said.request_id)
            if turn.execution_id != request.execution_id and turn.conversation_id != request.conversation_id:
                raise NotFound("The turn has no such interrupt.", code=f"{said.kind}_not_found")
            if said.reply.status != "cancelled" or (said.kind == "approval" and request.status == "pending"):
                found.append(said)
        return found


async def callers_answers(requests: Requests, request: Request) -> Answering:
    """Return what answers in the caller's name."""
    return Answering(requests, request.state.principal)


AnsweringCaller = Annotated[Answering, Depends(callers_answers)]


@router.post(
    "/chat",
    response_model=ChatReply,
    dependencies=[RUN],
    responses=CHAT_ANSWERS,
    openapi_extra=makes("conversation_id", "conversation_id", cache_id="tool_calls/0/cache_id"),
)
async def chat_with_agent(
    agent_id: str,
    body: Said,
    chat: Chat,
    feed: Tokens,
    unit: Unit,
    answers: AnsweringCaller,
    protocol: Protocol = None,
    verbose: Verbose = False,
    last_event_id: LastEventId = None,
) -> Answer:
    """Say something to an agent. Its turn is an execution, which goes on whether anybody listens or not.

    The same `message_id` sent again attaches to the turn that it has begun, running or finished, and never runs it
    twice; with `Last-Event-ID` its stream goes on after that event, on whichever API process. A `restart` says that the
    text since the last `start` of its `call_id` is void: a worker died, or the model begins anew; of a turn that was
    reset, that all events with a `seq` above `void_after` are. What sub-agents do that the agent calls is told under
    the call (`parent_call_id`). What models think, and what sub-agents write, is told with `verbose` alone.
    """
    ask = body.said(unit.operation_key)
    turn = await chat.begin(agent_id, ask)
    if isinstance(body, RunAgent):
        return await run_followed(chat, turn, feed, unit, answers, AgUiRun(body, verbose))
    how = Followed(body.stream, body.verbose or verbose, last_event_id)
    if protocol and body.stream:
        return await run_followed(chat, turn, feed, unit, answers, AgUiRun(RunAgent.of(turn, ask.content), how.verbose))
    return await followed(chat, turn, feed, unit, how)


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


async def run_followed(
    chat: ChatService, turn: Turn, feed: TokenFeed, unit: Unit, answering: Answering, asked: AgUiRun
) -> EventSourceResponse:
    """Have a turn taken that a front end asks for by AG-UI, or answer what it waits for; and tell it by AG-UI."""
    said = await answering.to(asked.run, turn)
    await unit.commit(resource_id=turn.execution_id)
    await chat.start(turn)
    for each in said:
        await answering.requests.answer(each.kind, each.request_id, each.reply, each.key)
        await unit.commit()
    answered = frozenset(each.request_id for each in said)
    events = await chat.events(turn, feed, verbose=asked.verbose)
    return stream(run_events(RunTeller(asked.run, turn, answered), events))
