"""Documents and recordings that nodes of calls may refer to."""

from __future__ import annotations

from pydantic import BaseModel

from cairn.contracts.json import JsonObject


class Documents(BaseModel):
    """A page of documents."""

    documents: list[JsonObject]
    total: int
    limit: int
    offset: int


class Recordings(BaseModel):
    """All recordings."""

    recordings: list[JsonObject]
    total: int
