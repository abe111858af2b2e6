"""The blocks that every installation has: their texts come from what it knows when they are rendered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cairn.contracts.json import JsonObject
from cairn.domain.prompt_blocks.model import BlockSettings
from cairn.domain.tools.authored import ToolService
from cairn.errors import FieldError, InvalidInput


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
class BuiltIn:
    """A built-in block.

    Attributes:
        settings: as it comes.
        text: makes its text; an empty one where nothing is known.
        of_user: whether the text depends on the user, so that one user's is never another's.
    """

    settings: BlockSettings
    text: Callable[[RenderFor, ToolService], Awaitable[str]]
    of_user: bool = False


async def _current_time(asked: RenderFor, _: ToolService) -> str:
    zone = asked.variables.get("timezone", "UTC")
    try:
        now = datetime.now(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError):
        message = "There is no time zone of this name; it is one as Europe/Berlin."
        raise InvalidInput("The time zone is not known.", errors=[FieldError("/variables/timezone", message)]) from None
    return f"{now.isoformat(timespec='seconds')} ({now:%A}, {zone})"


async def _user_profile(asked: RenderFor, _: ToolService) -> str:
    # The id of the key's holder is all that the installation knows of a person.
    return f"user_id: {asked.user_id}" if asked.user_id else ""


async def _tool_list(_: RenderFor, tools: ToolService) -> str:
    lines: list[str] = []
    for each in await tools.list():
        description = " ".join((each.description or "").split())
        lines.append(f"- {each.name}: {description}" if description else f"- {each.name}")
    return "\n".join(lines)


async def _nothing_yet(_: RenderFor, __: ToolService) -> str:
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
    ),
    "user_profile": BuiltIn(
        BlockSettings(description="What is known of the user.", mode="cached", order=20), _user_profile, of_user=True
    ),
    "memory_core": BuiltIn(
        BlockSettings(description="What the agent is to remember of the user at all times.", mode="cached", order=30),
        _nothing_yet,
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
