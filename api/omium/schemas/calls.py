"""The call of a voice graph's execution as omium shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cairn.contracts.json import JsonObject


class Line(BaseModel):
    """One line of a transcript."""

    model_config = ConfigDict(from_attributes=True)

    role: Literal["agent", "caller"]
    text: str = Field(description="Empty for a recording that was played.")
    node_id: str
    turn: int = Field(description="Which utterance of the caller it is, or answers; 0 before the first.")
    at: datetime | None
    recording_id: str | None


class Problem(BaseModel):
    """What went wrong beside the conversation."""

    node_id: str
    what: str
    code: str
    message: str


class Call(BaseModel):
    """The call: how it stands, and what was said."""

    model_config = ConfigDict(from_attributes=True)

    node_id: str | None = Field(description="Where it stands; null between nodes, and when it is over.")
    turn: int = Field(description="How often the caller has spoken.")
    ended: bool
    disposition: str | None = Field(description="How it ended.")
    began_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float
    variables: JsonObject = Field(description="Values that were extracted.")
    transcript: list[Line] = Field(description="Oldest first.")
    problems: list[Problem]


class CallReply(BaseModel):
    """What the agent has said in answer."""

    model_config = ConfigDict(from_attributes=True)

    text: str
    node_id: str | None = Field(description="The node in which the call then stands.")
    turn: int
    ended: bool = Field(description="Whether the call has ended.")
    disposition: str | None
    lines: list[Line]
