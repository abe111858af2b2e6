"""The blocks that every installation has: their texts come from what it knows when they are rendered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncSession

from cairn.contracts.json import JsonObject, canonical
from cairn.domain.conversations.rows import find_conversation
from cairn.domain.prompt_blocks.model import BlockSettings, Source
from cairn.domain.tools.authored import ToolService
from cairn.errors import FieldError, InvalidInput, NotFound
from cairn.persistence.repository import Scope


@dataclass(frozen=True, slots=True)
class RenderFor:
    """For whom and with what a block is rendered.

    Attributes:
        user_id: the person or service that is spoken with.
        conversation_id: the conversation that it is for.
        variables: what templates read by name.
    """

    user_id: str | None
    conversation_id: str | None
    variables: JsonObject


@dataclass(frozen=True, slots=True)
class Known:
    """Where the texts come from: what is kept in the database of a scope."""

    session: AsyncSession
    scope: Scope
    tools: ToolService


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A built-in block.

    Attributes:
        settings: as it comes.
        text: makes its text; an empty one where nothing is known.
        source: what the text is made of.
        of_user: whether the text depends on the user, so that one user's is never another's.
        of_conversation: whether it depends on the conversation.
        reads: the variables that it depends on.
    """

    settings: BlockSettings
    text: Callable[[RenderFor, Known], Awaitable[str]]
    source: Source = "prompt_block"
    of_user: bool = False
    of_conversation: bool = False
    reads: frozenset[str] = frozenset()


async def _current_time(asked: RenderFor, _: Known) -> str:
    zone = asked.variables.get("timezone", "UTC")
    try:
        now = datetime.now(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError):
        message = "There is no time zone of this name; it is one as Europe/Berlin."
        raise InvalidInput("The time zone is not known.", errors=[FieldError("/variables/timezone", message)]) from None
    return f"{now.isoformat(timespec='seconds')} ({now:%A}, {zone})"


async def _user_profile(asked: RenderFor, _: Known) -> str:
    # The id of the key's holder is all that the installation knows of a person.
    return f"user_id: {asked.user_id}" if asked.user_id else ""


async def _conversation(asked: RenderFor, known: Known) -> str:
    if asked.conversation_id is None:
        return ""
    try:
        row = await find_conversation(known.session, known.scope, asked.conversation_id)
    except NotFound:  # a preview may be for one that is to come
        return ""
    told = {
        "title": row.title,
        "channel": row.channel,
        "user_id": row.user_id,
        "began": row.created_at.isoformat(timespec="seconds"),
        "messages": row.messages_count,
        "metadata": canonical(row.metadata_) if row.metadata_ else None,
    }
    return "\n".join(f"{name}: {value}" for name, value in told.items() if value not in (None, ""))


async def _tool_list(_: RenderFor, known: Known) -> str:
    lines: list[str] = []
    for each in await known.tools.list():
        description = " ".join((each.description or "").split())
        lines.append(f"- {each.name}: {description}" if description else f"- {each.name}")
    return "\n".join(lines)


async def _nothing_yet(_: RenderFor, __: Known) -> str:
    """Make the text of a block whose source the installation does not have."""
    return ""


BUILT_IN: Mapping[str, BuiltIn] = {
    "current_time": BuiltIn(
        BlockSettings(
            description="The date and time; the variable `timezone` names a time zone, else it is UTC.",
            message="user",
            scope="turn",
            order=10,
        ),
        _current_time,
        reads=frozenset({"timezone"}),
    ),
    "conversation": BuiltIn(
        BlockSettings(
            description="What is known of the conversation: its title, channel, user, beginning and metadata.",
            message="user",
            scope="turn",
            order=15,
        ),
        _conversation,
        source="conversation",
        of_conversation=True,
    ),
    "user_profile": BuiltIn(
        BlockSettings(description="What is known of the user.", mode="cached", order=20), _user_profile, of_user=True
    ),
    "memory_core": BuiltIn(
        BlockSettings(description="What the agent is to remember of the user at all times.", mode="cached", order=30),
        _nothing_yet,
        source="memory",
        of_user=True,
    ),
    "agent_roster": BuiltIn(
        BlockSettings(description="The agents that work can be given to.", mode="cached", order=40), _nothing_yet
    ),
    "tool_list": BuiltIn(
        BlockSettings(description="The tools of the tenant, with what they do.", mode="cached", order=50), _tool_list
    ),
}
"""Built-in blocks by name."""
