"""Approvals and questions as agentflow takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import Body
from cairn.contracts.json import Json, JsonObject
from cairn.domain.requests import model
from cairn.domain.requests.model import Reply
from cairn.errors import CairnError, FieldError, InvalidInput
from cairn.persistence.paging import Page

Decision = Annotated[
    Literal["approved", "denied", "approve", "deny"],
    Field(description="`approve` and `deny` are read as `approved` and `denied`."),
]


class Request(BaseModel):
    """What an execution asks a person."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    execution_id: str
    node_id: str
    prompt: str
    agent_id: str | None = Field(description="uuid of the graph that asks.")
    conversation_id: str | None
    assignees: list[str] = Field(description="Who may answer, by `user_id` or name of the key; empty for anyone.")
    escalated: bool = Field(description="Further people were asked, since nobody had answered.")
    notified_at: datetime | None = Field(description="When the request's URL was told last.")
    notify_error: str | None = Field(description="Why it could not be told.")
    requested_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None


class Approval(Request):
    """An execution asks whether it may go on, or an agent whether it may call a tool."""

    status: Literal["pending", "approved", "denied", "expired", "cancelled"]
    tool_id: str | None = Field(description="The tool that is to be called; null for an approval of the graph itself.")
    tool_name: str | None
    arguments: JsonObject | None = Field(description="What the tool is to be called with.")
    arguments_schema: JsonObject | None = Field(
        validation_alias="schema", description="JSON Schema of what the arguments can be modified to."
    )
    decision: Literal["approved", "denied"] | None
    reason: str | None
    modified_arguments: JsonObject | None


class Question(Request):
    """An execution asks for an answer."""

    status: Literal["pending", "answered", "expired", "cancelled"]
    answer_schema: JsonObject | None = Field(
        validation_alias="schema", description="JSON Schema of the answer; null for any."
    )
    options: list[Json] | None = Field(description="What can be chosen from, where the schema names it.")
    answer: Json


class ApprovalList(BaseModel):
    """A page of pending approvals, newest first."""

    approvals: list[Approval]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later approvals out of the pages.")

    @classmethod
    def of(cls, page: Page[model.Request]) -> ApprovalList:
        """Make it of what the domain found."""
        found = [Approval.model_validate(each) for each in page.items]
        return cls(approvals=found, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class QuestionList(BaseModel):
    """A page of pending questions, newest first."""

    questions: list[Question]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later questions out of the pages.")

    @classmethod
    def of(cls, page: Page[model.Request]) -> QuestionList:
        """Make it of what the domain found."""
        found = [Question.model_validate(each) for each in page.items]
        return cls(questions=found, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class RespondToApproval(Body):
    """A person's decision."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "approved", "reason": "within the budget"}]})

    decision: Decision
    reason: str | None = Field(default=None, max_length=4096)
    modified_arguments: JsonObject | None = Field(
        default=None, description="Call the tool with these instead; only with `approved`, checked against its schema."
    )

    def reply(self) -> Reply:
        """Return what the domain is told."""
        approved = self.decision in ("approved", "approve")
        return Reply(
            "approved" if approved else "denied", reason=self.reason, modified_arguments=self.modified_arguments
        )


class BulkResponse(RespondToApproval):
    """A person's decision about one of several approvals."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "appr_1", "decision": "denied", "reason": "too late"}]}
    )

    id: str = Field(min_length=1, max_length=255)


class RespondToApprovals(Body):
    """Decisions about several approvals, each by itself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"responses": [{"id": "appr_1", "decision": "denied", "reason": "too late"}]}]}
    )

    responses: list[BulkResponse] = Field(min_length=1, max_length=100)


class BulkError(BaseModel):
    """Why one decision was not taken."""

    code: str
    detail: str


class BulkResult(BaseModel):
    """What became of one decision."""

    id: str
    ok: bool
    status: str | None = None
    error: BulkError | None = None

    @classmethod
    def of(cls, request_id: str, done: model.Request | CairnError) -> BulkResult:
        """Make it of what the domain said."""
        if isinstance(done, CairnError):
            wrong = "; ".join(f"{error.pointer}: {error.message}" for error in done.errors)
            detail = f"{done.message} ({wrong})" if wrong else done.message
            return cls(id=request_id, ok=False, error=BulkError(code=done.code, detail=detail))
        return cls(id=request_id, ok=True, status=done.status)


class BulkResults(BaseModel):
    """What became of each decision, in their order."""

    results: list[BulkResult]


class RespondToQuestion(Body):
    """A person's answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "the blue one"}]})

    answer: Json = Field(description="Checked against the question's schema, where it has one.")


class Answered(BaseModel):
    """The execution has the answer."""

    id: str
    status: Literal["answered"] = "answered"
    execution_id: str


class ToolStatistics(BaseModel):
    """How a tool's approvals ended."""

    model_config = ConfigDict(from_attributes=True)

    tool_id: str
    total: int
    pending: int
    approved: int = Field(description="Also those with modified arguments, which `modified` counts by themselves.")
    denied: int
    modified: int
    expired: int
    cancelled: int
    median_seconds: float | None = Field(description="From asking to a person's decision; null without any.")


class PendingOfTool(BaseModel):
    """Pending approvals of a tool; null stands for approvals of graphs themselves."""

    tool_id: str | None
    pending: int


class PendingOfAgent(BaseModel):
    """Pending approvals of an agent."""

    agent_id: str | None
    pending: int


class LastDay(BaseModel):
    """What happened in the last 24 hours."""

    requested: int
    approved: int
    denied: int
    expired: int
    cancelled: int


class Dashboard(BaseModel):
    """How approvals stand."""

    pending: int
    oldest_pending_seconds: float | None
    by_tool: list[PendingOfTool]
    by_agent: list[PendingOfAgent]
    last_24h: LastDay

    @classmethod
    def of(cls, found: model.Dashboard) -> Dashboard:
        """Make it of what the domain found."""
        return cls(
            pending=found.pending,
            oldest_pending_seconds=found.oldest_pending_seconds,
            by_tool=[PendingOfTool(tool_id=tool, pending=number) for tool, number in found.by_tool],
            by_agent=[PendingOfAgent(agent_id=agent, pending=number) for agent, number in found.by_agent],
            last_24h=LastDay.model_validate(found.last_24h),
        )


class Expired(BaseModel):
    """How many approvals were marked as expired."""

    expired: int


class LinkedRequest(BaseModel):
    """What a link asks its holder."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: Literal["approval", "question"]
    status: Literal["pending", "approved", "denied", "answered", "expired", "cancelled"]
    prompt: str
    tool_name: str | None
    arguments: JsonObject | None
    schema_: JsonObject | None = Field(validation_alias="schema", serialization_alias="schema")
    requested_at: datetime
    expires_at: datetime | None


class RespondByLink(Body):
    """`answer` for a question, `decision` with its companions for an approval."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "approved"}, {"answer": "the blue one"}]})

    decision: Decision | None = None
    reason: str | None = Field(default=None, max_length=4096)
    modified_arguments: JsonObject | None = None
    answer: Json = None

    def reply(self, kind: str) -> Reply:
        """Return what the domain is told.

        Raises:
            InvalidInput: it has not what the request asks for.
        """
        if kind == "question":
            self._require("answer")
            return Reply("answered", answer=self.answer)
        self._require("decision")
        said: dict[str, Any] = self.model_dump(include={"decision", "reason", "modified_arguments"})
        return RespondToApproval.model_validate(said).reply()

    def _require(self, member: str) -> None:
        if member not in self.model_fields_set or (member == "decision" and self.decision is None):
            raise InvalidInput("The answer is missing", errors=[FieldError(f"/{member}", "Field required")])
