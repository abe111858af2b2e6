"""The metadata of an execution as callers send them: any JSON, but for the members that Cairn itself heeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from cairn.contracts.json import JsonObject

if TYPE_CHECKING:
    Metadata = JsonObject
else:

    @with_config(ConfigDict(extra="allow"))
    class Metadata(TypedDict):
        """At most 16 KiB; comes back on every read, is a filter of the list."""

        priority: NotRequired[
            Annotated[
                Literal["low", "normal", "high"],
                Field(description="Whose work goes first where tasks wait; normal when left out."),
            ]
        ]
