"""Links that answer a request without a key: whoever holds one may answer, once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.agentflow.routes.approvals import EXPIRED
from api.agentflow.schemas.requests import LinkedRequest, RespondByLink
from api.kit.context import Context
from api.kit.route import PublicRoute
from cairn.domain.requests import model
from cairn.domain.requests.service import by_link

router = APIRouter(prefix="/api/v1/hooks/requests", tags=["links"], route_class=PublicRoute)
Token = Annotated[str, Path(max_length=512, description="As the notification's `respond_url` has it.")]


@router.get("/{token}", response_model=LinkedRequest, responses=EXPIRED)
async def get_linked_request(token: Token, request: Request) -> model.Request:
    """Read what is asked; this answers nothing."""
    context: Context = request.app.state.context
    async with context.database.session() as session:
        _, asked = await by_link(session, context.temporal, context.secret, token)
        return asked


@router.post("/{token}", response_model=LinkedRequest, responses=EXPIRED)
async def respond_by_link(token: Token, body: RespondByLink, request: Request) -> model.Request:
    """Answer: `answer` to a question, `decision` about an approval. A second answer is a 409."""
    context: Context = request.app.state.context
    async with context.database.session() as session:
        requests, asked = await by_link(session, context.temporal, context.secret, token)
        done = await requests.answer(asked.kind, asked.id, body.reply(asked.kind))
        await session.commit()
        return done
