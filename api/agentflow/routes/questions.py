"""Questions: a person tells an execution what it asks."""

from __future__ import annotations

from fastapi import APIRouter

from api.agentflow.routes.approvals import EXPIRED, READ, WRITE, Filtered
from api.agentflow.schemas.requests import Answered, Question, QuestionList, RespondToQuestion
from api.kit.deps import Requests
from api.kit.links import lists
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from cairn.domain.requests import model
from cairn.domain.requests.model import Reply

router = APIRouter(prefix="/api/v1/questions", tags=["questions"], route_class=SurfaceRoute)


@router.get("/pending", dependencies=[READ], openapi_extra=lists("question_id", "questions"))
async def list_pending_questions(requests: Requests, which: Filtered, paged: Paged) -> QuestionList:
    """List the questions that wait for a person, newest first."""
    found = await requests.list_pending("question", which, paged.page, paged.page_size, paged.anchor)
    return QuestionList.of(found)


@router.get("/{question_id}", response_model=Question, dependencies=[READ])
async def get_question(question_id: str, requests: Requests) -> model.Request:
    """Read a question."""
    return await requests.get("question", question_id)


@router.post("/{question_id}/respond", dependencies=[WRITE], responses=EXPIRED)
async def respond_to_question(question_id: str, body: RespondToQuestion, requests: Requests, unit: Unit) -> Answered:
    """Answer a question. The first answer counts; another one is a 409."""
    await unit.commit()
    done = await requests.answer("question", question_id, Reply("answered", body.answer), unit.operation_key)
    return Answered(id=done.id, execution_id=done.execution_id)
