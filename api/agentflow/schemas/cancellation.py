"""What runs, and what came of stopping it, as agentflow shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from cairn.domain.chat.active import Active, Cancelled, Kind
from cairn.persistence.paging import Page


class ActiveCall(BaseModel):
    """Something that runs, or waits."""

    call_id: str = Field(description="Id of its execution, by which it is cancelled.")
    kind: Kind
    status: Literal["running", "paused"]
    execution_id: str
    agent_id: str | None
    conversation_id: str | None
    message_id: str | None
    started_at: datetime
    cancellable: Literal[True] = True

    @classmethod
    def of(cls, active: Active) -> ActiveCall:
        """Make it of what the domain found."""
        shown = {name: getattr(active, name) for name in Active.__dataclass_fields__}
        return cls.model_validate({**shown, "call_id": active.execution_id})


class ActiveCalls(BaseModel):
    """A page of what runs, newest first."""

    calls: list[ActiveCall]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later ones out of the pages.")

    @classmethod
    def of(cls, page: Page[Active]) -> ActiveCalls:
        """Make it of what the domain found."""
        calls = [ActiveCall.of(each) for each in page.items]
        return cls(calls=calls, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class CancelledCall(BaseModel):
    """What a call is after it was cancelled."""

    call_id: str
    status: Literal["cancelling", "cancelled"]

    @classmethod
    def of(cls, call_id: str, status: str) -> CancelledCall:
        """Make it of the status of the execution."""
        return cls(call_id=call_id, status="cancelled" if status == "cancelled" else "cancelling")


class FailedCall(BaseModel):
    """Why a call could not be cancelled."""

    call_id: str
    code: str
    message: str


class CancelledCalls(BaseModel):
    """What came of cancelling everything."""

    cancelled: int
    failed: list[FailedCall]

    @classmethod
    def of(cls, done: Cancelled) -> CancelledCalls:
        """Make it of what the domain did."""
        return cls(cancelled=done.number, failed=[FailedCall.model_validate(each) for each in done.failed])
