"""Conversations: made, listed, searched, read in several forms, changed, deleted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.agentflow.conventions import Error
from api.agentflow.deps import Chat, ConversationRuns, Conversations
from api.agentflow.routes.chat import ANSWERS, RUN, Answer, Followed, followed
from api.agentflow.schemas import conversations as schemas
from api.agentflow.schemas.chat import ChatReply
from api.kit.auth import may
from api.kit.deps import Agents, Executions, Tokens
from api.kit.links import makes
from api.kit.paging import Paged, PageNumber, PageSize
from api.kit.route import SurfaceRoute
from api.kit.sse import LastEventId, stream, streams
from api.kit.timestamps import UtcQuery
from api.kit.unit_of_work import Unit
from cairn.domain.conversations import ConversationFilter, branching, cached, formats, model
from cairn.domain.conversations.following import follow
from cairn.domain.conversations.search import Search, search
from cairn.domain.conversations.timeline import Item, timeline

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"], route_class=SurfaceRoute)
Responses = dict[int | str, dict[str, Any]]
READ, WRITE = may("conversations:read"), may("conversations:write")
RUNNING: Responses = {409: {"model": Error, "description": "A turn is under way (`turn_running`)."}}
UNKNOWN_AGENT: Responses = {404: {"model": Error, "description": "There is no such agent (`agent_not_found`)."}}
BAD_CURSOR: Responses = {400: {"model": Error, "description": "The list has not given the cursor (`bad_cursor`)."}}
TAKEN: Responses = {409: {"model": Error, "description": "The message's id is taken (`message_exists`)."}}
Text = Annotated[str | None, Query(min_length=1, max_length=255)]
Cursor = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the stretch before.")]


async def conversation_filter(
    agent_id: Text = None, user_id: Text = None, status: model.Status | None = None, channel: Text = None
) -> ConversationFilter:
    """Return what the query asks for; all filters hold at once."""
    return ConversationFilter(agent_id, user_id, status, channel)


async def asked_for(
    q: Annotated[str, Query(min_length=1, max_length=1000, description="Words; all of them have to stand together.")],
    agent_id: Text = None,
    since: Annotated[UtcQuery | None, Query(alias="from", description="Written in at this time or later.")] = None,
    to: Annotated[UtcQuery | None, Query(description="Begun at this time or earlier.")] = None,
) -> Search:
    """Return what is looked for; all conditions hold at once."""
    return Search(q, agent_id, since, to)


@router.post(
    "",
    status_code=201,
    response_model=schemas.Conversation,
    dependencies=[WRITE],
    responses=UNKNOWN_AGENT,
    openapi_extra=makes("conversation_id"),
)
async def create_conversation(
    body: schemas.CreateConversation, conversations: Conversations, agents: Agents, executions: Executions
) -> model.Conversation:
    """Make a conversation in which nothing was said yet. `chat` makes one by itself, too."""
    agent = await agents.get(body.agent_id)
    user = executions.principal.author
    return model.Conversation.of(await conversations.create(agent.id, user, title=body.title, metadata=body.metadata))


@router.get("", dependencies=[READ])
async def list_conversations(
    conversations: Conversations, which: Annotated[ConversationFilter, Depends(conversation_filter)], paged: Paged
) -> schemas.ConversationList:
    """List conversations, newest first."""
    found = await conversations.list(which, paged.page, paged.page_size, paged.anchor)
    return schemas.ConversationList.of(found)


@router.get("/search", dependencies=[READ])
async def search_conversations(
    conversations: Conversations, asked: Annotated[Search, Depends(asked_for)], paged: Paged
) -> schemas.SearchResults:
    """Find conversations by words of their titles and messages, the best first, with the words marked."""
    where = conversations.session, conversations.scope
    return schemas.SearchResults.of(await search(*where, asked, paged.page, paged.page_size, paged.anchor))


@router.get("/{conversation_id}", response_model=schemas.Conversation, dependencies=[READ])
async def get_conversation(conversation_id: str, conversations: Conversations) -> model.Conversation:
    """Read a conversation."""
    return await conversations.get(conversation_id)


@router.put("/{conversation_id}", response_model=schemas.Conversation, dependencies=[WRITE])
async def update_conversation(
    conversation_id: str, body: schemas.UpdateConversation, conversations: Conversations
) -> model.Conversation:
    """Change title, status or metadata; what is left out stays."""
    return await conversations.change(conversation_id, body.changes())


@router.delete("/{conversation_id}", status_code=204, dependencies=[WRITE], responses=RUNNING)
async def delete_conversation(conversation_id: str, conversations: Conversations) -> None:
    """Delete a conversation with its messages. The executions of its turns can be read as before."""
    await conversations.delete(conversation_id)


@router.get("/{conversation_id}/messages", dependencies=[READ])
async def list_messages(
    conversation_id: str,
    conversations: Conversations,
    runs: ConversationRuns,
    page: PageNumber = 1,
    page_size: PageSize = 20,
    discarded: Annotated[bool, Query(description="Also those that a rollback went back over.")] = False,
    checkpoints: Annotated[bool, Query(description="With the latest checkpoint of each message's turn.")] = False,
) -> schemas.MessageList:
    """List what was said, oldest first."""
    found = await conversations.list_messages(conversation_id, page, page_size, discarded=discarded)
    turns = [each.execution_id for each in found.items] if checkpoints else []
    return schemas.MessageList.of(found, await runs.latest_checkpoints(turns))


@router.post("/{conversation_id}/messages", status_code=201, dependencies=[WRITE], responses=TAKEN)
async def add_message(conversation_id: str, body: schemas.AddMessage, conversations: Conversations) -> schemas.Message:
    """Add a person's message. No turn is run; agents are told of it in the turns that follow."""
    row = await conversations.lock(conversation_id)
    return schemas.Message.of(model.Message.of(await conversations.say(row, body.message())))


@router.get("/{conversation_id}/cached-results/{cache_id}", dependencies=[READ])
async def get_cached_result(conversation_id: str, cache_id: str, conversations: Conversations) -> schemas.CachedResult:
    """Read a result of a tool that was told by its `cache_id`."""
    return schemas.CachedResult.of(await cached.cached_result(conversations, conversation_id, cache_id))


@router.get("/{conversation_id}/cached-results/{cache_id}/items", dependencies=[READ])
async def list_cached_result_items(
    conversation_id: str,
    cache_id: str,
    conversations: Conversations,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    path: Annotated[str | None, Query(min_length=1, max_length=500, description="JSONPath to the items.")] = None,
) -> schemas.CachedItems:
    """Read a stretch of the items of a result: of the list that it is, or that `path` leads to."""
    found = await cached.cached_result(conversations, conversation_id, cache_id)
    return schemas.CachedItems.of(cached.items_at(found.payload, path), offset, limit)


@router.get("/{conversation_id}/timeline", dependencies=[READ], responses=BAD_CURSOR)
async def get_timeline(
    conversation_id: str,
    conversations: Conversations,
    limit: Annotated[int, Query(ge=1, le=200, description="Messages whose parts are shown.")] = 50,
    cursor: Cursor = None,
) -> schemas.Timeline:
    """Read what was said, what tools did and what happened to the conversation, oldest first."""
    return schemas.Timeline.of(await timeline(conversations, conversation_id, limit, cursor))


@router.get(
    "/{conversation_id}/stream",
    response_class=EventSourceResponse,
    dependencies=[READ],
    responses=streams(schemas.ConversationUpdate, "A snapshot at once, and one for each change."),
)
async def stream_conversation(
    conversation_id: str, conversations: Conversations, feed: Tokens, last_event_id: LastEventId = None
) -> EventSourceResponse:
    """Follow a conversation by snapshots. `id:` is the revision; after that of `Last-Event-ID` a newer one comes."""
    await conversations.find(conversation_id)
    return stream(_updates(follow(feed, conversations.scope, conversation_id, last_event_id)))


async def _updates(
    snapshots: AsyncGenerator[tuple[model.Conversation, list[Item], str]],
) -> AsyncIterator[ServerSentEvent]:
    async for conversation, parts, status in snapshots:
        told = schemas.ConversationUpdate.model_validate(
            {"conversation": conversation, "parts": parts, "status": status}, from_attributes=True
        )
        yield ServerSentEvent(told.model_dump_json(), id=str(conversation.revision), event="conversation_update")


@router.get("/{conversation_id}/runs", dependencies=[READ])
async def list_runs(conversation_id: str, runs: ConversationRuns, paged: Paged) -> schemas.ConversationRuns:
    """List the turns, newest first, also those that a rollback went back over; each is an execution."""
    found = await runs.list(conversation_id, paged.page, paged.page_size, paged.anchor)
    return schemas.ConversationRuns.of(found)


@router.get("/{conversation_id}/markers", dependencies=[READ])
async def list_markers(conversation_id: str, conversations: Conversations) -> schemas.MarkerList:
    """List what happened to the conversation: compressions, rollbacks, handovers to other agents, titles."""
    return schemas.MarkerList.of(await conversations.list_markers(conversation_id))


@router.get("/{conversation_id}/llm-format", dependencies=[READ])
async def export_conversation(
    conversation_id: str,
    conversations: Conversations,
    agents: Agents,
    format: Annotated[formats.Format, Query(description="Whose form.")] = "openai",
) -> schemas.LlmFormat:
    """Read what a model is told of the conversation, in the form that OpenAI's or Anthropic's API takes."""
    return schemas.LlmFormat.of(await formats.exported(conversations, agents, conversation_id, format))


@router.post("/{conversation_id}/rollback", dependencies=[WRITE], responses=RUNNING)
async def roll_back_conversation(
    conversation_id: str, body: schemas.ToMessage, conversations: Conversations
) -> schemas.RolledBack:
    """Go back to a message. Those after it count no more; `messages?discarded=true` still shows them."""
    conversation, marker, number = await branching.rollback(conversations, conversation_id, body.message_id)
    return schemas.RolledBack.model_validate(
        {"conversation": conversation, "marker": marker, "discarded_messages": number}, from_attributes=True
    )


@router.post(
    "/{conversation_id}/fork",
    status_code=201,
    response_model=schemas.Conversation,
    dependencies=[WRITE],
    openapi_extra=makes("conversation_id"),
)
async def fork_conversation(
    conversation_id: str, body: schemas.ToMessage, conversations: Conversations, executions: Executions
) -> model.Conversation:
    """Make a conversation that has gone as this one up to a message, and can go on in another way."""
    user = executions.principal.author
    return await branching.fork(conversations, conversation_id, body.message_id, user)


@router.post("/{conversation_id}/replay", response_model=ChatReply, dependencies=[WRITE, RUN], responses=ANSWERS)
async def replay_message(
    conversation_id: str, body: schemas.ReplayMessage, chat: Chat, feed: Tokens, unit: Unit
) -> Answer:
    """Have a message answered anew, by another model if one is named. What came after it counts no more."""
    turn = await chat.again(conversation_id, body.message_id, body.model, unit.resource_id)
    return await followed(chat, turn, feed, unit, Followed(body.stream, body.verbose))
