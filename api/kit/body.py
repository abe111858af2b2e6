"""Base of the bodies that callers send."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Tag

from cairn.contracts.json import integral


class Body(BaseModel):
    """A request body: values must have the documented type (no text for a number), unknown members are ignored."""

    model_config = ConfigDict(strict=True)


FORM = "form of the body: "


def form(name: str) -> Tag:
    """Return the tag of one form of a body that may have several; the errors of a request leave it out."""
    return Tag(FORM + name)


def leave_out_default(schema: dict[str, Any]) -> None:
    """Show a member that may be left out without the default that stands for its absence."""
    schema.pop("default", None)


INTEGRAL = BeforeValidator(integral)
"""Annotates an integer of a body, after its bounds: before them it would hide them from the schema."""

OptionalText = Annotated[str, Field(min_length=1, max_length=1024, json_schema_extra=leave_out_default)]
"""A text that may be left out, with default ``""``; null and the empty text are refused."""
