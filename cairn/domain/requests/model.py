"""What the surfaces show of a request to a person, and what a person can say to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from cairn.contracts.json import Json, JsonObject
from cairn.contracts.requests import RequestEnd, RequestKind
from cairn.persistence.tables import RequestRow
from cairn.persistence.types import utc_now

SKEW = timedelta(minutes=1)
"""So far apart may the clocks of processes be. An execution ends its requests in time, by Temporal's clock, and says so
at once; where it has not said so for that long, as without a worker, our own clock does."""

RequestStatus = Literal["pending", "approved", "denied", "answered", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class Request:
    """An approval or a question.

    Attributes:
        status: ``expired`` once the execution has said so, at the latest a minute after its time is over.
        tool_id: of the tool that an agent wants to call; None for an approval of the graph itself.
        agent_id: uuid of the graph that asks.
        schema: JSON Schema of a question's answer, or of a tool's arguments.
        assignees: who may answer, empty for anyone of the tenant.
        escalated: further people were asked.
        notified_at: when its URL was told last; ``notify_error`` says why it could not be.
        answer: of a question.
    """

    id: str
    kind: RequestKind
    status: RequestStatus
    execution_id: str
    node_id: str
    prompt: str
    tool_id: str | None
    tool_name: str | None
    agent_id: str | None
    conversation_id: str | None
    arguments: JsonObject | None
    schema: JsonObject | None
    assignees: list[str]
    escalated: bool
    notified_at: datetime | None
    notify_error: str | None
    requested_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    decision: str | None
    reason: str | None
    modified_arguments: JsonObject | None
    answer: Json

    @property
    def options(self) -> list[Json] | None:
        """What a question's answer can be chosen from, where its schema names that; None where it does not."""
        offered = [self.schema or {}, *cast("list[JsonObject]", (self.schema or {}).get("anyOf") or [])]
        return next((each["enum"] for each in offered if isinstance(each.get("enum"), list)), None)


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which pending requests a list shows; all given conditions hold."""

    execution_id: str | None = None
    tool_name: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person says to a request.

    Attributes:
        status: what it makes of the request; ``cancelled`` takes an approval back, which the execution sees as denied.
        answer: to a question.
        reason: of an approval's decision.
        modified_arguments: in place of those that the tool was to be called with; only when it is approved.
    """

    status: Literal["approved", "denied", "answered", "cancelled"]
    answer: Json = None
    reason: str | None = None
    modified_arguments: JsonObject | None = None

    def value(self, by: str) -> Json:
        """Return what the execution is told."""
        if self.status == "answered":
            return self.answer
        return {
            "decision": "approved" if self.status == "approved" else "denied",
            "by": by,
            "reason": self.reason,
            "modified_arguments": self.modified_arguments,
        }


@dataclass(frozen=True, slots=True)
class ToolStatistics:
    """How a tool's approvals ended.

    Attributes:
        approved: also those with modified arguments, which ``modified`` counts by themselves.
        median_seconds: from asking to a person's decision; None without any.
    """

    tool_id: str
    total: int
    pending: int
    approved: int
    denied: int
    modified: int
    expired: int
    cancelled: int
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """How approvals stand.

    Attributes:
        by_tool: pending ones by tool, most first; None stands for approvals of graphs themselves.
        by_agent: pending ones by the graph that asks.
        last_24h: how many were requested, and how many ended in which way.
    """

    pending: int
    oldest_pending_seconds: float | None
    by_tool: list[tuple[str | None, int]]
    by_agent: list[tuple[str | None, int]]
    last_24h: dict[str, int]


def surely_past() -> datetime:
    """Return the latest time that is past by the clock of every process."""
    return utc_now() - SKEW


def is_overdue(row: RequestRow) -> bool:
    """Whether the time of a request is surely over that nobody has closed yet."""
    return row.status == "pending" and row.expires_at is not None and row.expires_at <= surely_past()


def is_late(row: RequestRow) -> bool:
    """Whether the time of a request is over by our own clock."""
    return row.expires_at is not None and row.expires_at <= utc_now()


def is_open(row: RequestRow) -> bool:
    """Whether nobody has said yet how a request ended.

    One that was cancelled since its execution ended, or began anew, may have been answered just before: that is told
    later and counts.
    """
    return row.status == "pending" or (row.status == "cancelled" and row.resolved_by is None)


def shown(row: RequestRow) -> Request:
    """Return what callers see of a row."""
    names = Request.__dataclass_fields__.keys() - {"status", "schema"}
    values = {name: getattr(row, name) for name in names}
    return Request(**values, status="expired" if is_overdue(row) else row.status, schema=row.schema_)  # pyright: ignore[reportArgumentType]


def resolve(row: RequestRow, status: RequestEnd, by: str, value: Json) -> None:
    """Write into the row how the request ended; the caller has looked whether it was open.

    Args:
        row: of the request.
        status: how it ended.
        by: who ended it.
        value: {decision, by, reason, modified_arguments} of an approval, the answer to a question; None without any.
    """
    row.status, row.resolved_at, row.resolved_by = status, utc_now(), by or None
    row.waited = max(0.0, (row.resolved_at - row.requested_at).total_seconds())
    if row.kind == "question":
        row.answer = value
    elif isinstance(value, dict):
        said = cast("JsonObject", value)
        row.decision, row.reason = said.get("decision"), said.get("reason")
        row.modified_arguments = said.get("modified_arguments")
