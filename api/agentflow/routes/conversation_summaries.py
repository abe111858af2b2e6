"""Titles and summaries of conversations."""

from __future__ import annotations

from fastapi import APIRouter

from api.agentflow.conventions import Error
from api.agentflow.deps import Conversations, ConversationSummaries
from api.agentflow.routes.llm import FAILS
from api.agentflow.schemas.conversation_summaries import (
    CompressConversation,
    Compressed,
    ConversationTitle,
    SetTitle,
)
from api.kit.auth import may
from api.kit.deps import Agents
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from cairn.domain.conversations import Conversation, summaries
from cairn.domain.conversations.model import Changes

router = APIRouter(prefix="/api/v1/agent", tags=["conversations"], route_class=SurfaceRoute)
READ, WRITE = may("conversations:read"), may("conversations:write")
_NOTHING = "There is nothing to summarise (`conversation_empty`, `nothing_to_compress`), or a turn is under way."
MADE = {**FAILS, 409: {"model": Error, "description": _NOTHING}}


@router.get("/conversations/{conversation_id}/title", response_model=ConversationTitle, dependencies=[READ])
async def get_conversation_title(conversation_id: str, conversations: Conversations) -> Conversation:
    """Say what a conversation is called."""
    return await conversations.get(conversation_id)


@router.put("/conversations/{conversation_id}/title", response_model=ConversationTitle, dependencies=[WRITE])
async def set_conversation_title(conversation_id: str, body: SetTitle, conversations: Conversations) -> Conversation:
    """Call a conversation something else."""
    return await conversations.change(conversation_id, Changes(title=body.title))


@router.post(
    "/conversations/{conversation_id}/title/generate",
    response_model=ConversationTitle,
    dependencies=[WRITE],
    responses=MADE,
)
async def generate_conversation_title(conversation_id: str, made: ConversationSummaries, unit: Unit) -> Conversation:
    """Have a model find a title in what was said; without a language model it is the beginning of that."""
    material = await made.material(conversation_id)
    await unit.commit()  # no transaction stays open while a model writes
    title = await made.title(material, unit.operation_key)
    return Conversation.of(await made.entitle(conversation_id, title))


@router.post(
    "/{agent_id}/conversations/{conversation_id}/compress",
    response_model=Compressed,
    dependencies=[WRITE],
    responses=MADE,
)
async def compress_conversation(
    agent_id: str,
    conversation_id: str,
    made: ConversationSummaries,
    agents: Agents,
    unit: Unit,
    body: CompressConversation | None = None,
) -> summaries.Compressed:
    """Have a summary stand for all but the last messages in what models are told. The messages themselves stay.

    A rollback to a message that is summarised lets the messages count again.
    """
    await agents.get(agent_id)
    asked = body or CompressConversation()
    what = await made.to_compress(conversation_id, asked.keep_last)
    await unit.commit()  # no transaction stays open while a model writes
    summary = await made.summary(what, asked.instructions, unit.operation_key)
    return await made.compress(what, summary)
