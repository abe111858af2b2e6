"""Which settings there are, of which types, and their defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from cairn.contracts.json import JsonObject, integral
from cairn.domain.schedules.spec import time_zones

Model = Annotated[str, Field(min_length=1, max_length=255)]


def _known_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError(f"{name!r} is no IANA time zone, as Europe/Berlin is")
    return name


Zone = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+/\-]{1,64}$"), AfterValidator(_known_zone)]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Section(BaseModel):
    """Settings that belong together; another member is none of them."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Appearance(Section):
    """How pages look."""

    theme: Literal["system", "light", "dark"] = "system"
    density: Literal["comfortable", "compact"] = "comfortable"


class Locale(Section):
    """Language and forms of times."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] = Field(
        default="en", description="A language tag (BCP 47)."
    )
    timezone: Zone = Field(default="UTC", description="Name of a time zone (IANA).")
    time_format: Literal["24h", "12h"] = "24h"


class Chat(Section):
    """What a chat begins with."""

    agent_id: Model | None = Field(default=None, description="Agent of new chats; null for none.")
    model: Model | None = Field(default=None, description="Model in place of the agent's; null for the agent's.")
    stream: bool = Field(default=True, description="Show replies while they are written.")
    verbose: bool = Field(default=False, description="Show reasoning and what sub-agents say.")


class Notifications(Section):
    """What the user is told of, and when not."""

    email: bool = True
    approvals: bool = True
    questions: bool = True
    failures: bool = Field(default=False, description="Of executions.")
    quiet_from: Clock | None = Field(default=None, description="Beginning of the quiet hours, in the user's time zone.")
    quiet_until: Clock | None = None


class Lists(Section):
    """How lists are shown."""

    page_size: Annotated[int, Field(ge=1, le=100), BeforeValidator(integral)] = 20


class UserSettings(Section):
    """All settings of a user."""

    appearance: Appearance = Field(default_factory=Appearance)
    locale: Locale = Field(default_factory=Locale)
    chat: Chat = Field(default_factory=Chat)
    notifications: Notifications = Field(default_factory=Notifications)
    lists: Lists = Field(default_factory=Lists)
    custom: JsonObject = Field(default_factory=dict, description="What applications keep here for the user.")


SECTIONS: dict[str, frozenset[str]] = {
    name: frozenset(section.model_fields)
    for name, section in (
        ("appearance", Appearance),
        ("locale", Locale),
        ("chat", Chat),
        ("notifications", Notifications),
        ("lists", Lists),
    )
}
"""Names of the settings, by section."""
