"""The language models that there are."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.agentflow.deps import LlmConfigs
from api.agentflow.schemas.models import ModelList
from api.kit.auth import may
from api.kit.paging import MAX_PAGE
from api.kit.route import SurfaceRoute
from cairn.domain.llm.offered import offered_models

router = APIRouter(prefix="/api/v1/models", tags=["models"], route_class=SurfaceRoute)
Provider = Annotated[str | None, Query(max_length=64, description="Of this provider alone, for example `openai`.")]
Page = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Page number, from 1.")]
PageSize = Annotated[int, Query(ge=1, le=100, description="Items per page.")]


@router.get("", dependencies=[may("models:read")])
async def list_models(
    configs: LlmConfigs, request: Request, provider: Provider = None, page: Page = 1, page_size: PageSize = 100
) -> ModelList:
    """List the language models with what they take, can and cost, and whether the caller can use them.

    Prices are those by which costs are counted (`genai-prices`). Models that the tenant names itself are listed too.
    """
    settings = request.app.state.context.settings
    offered = await asyncio.to_thread(offered_models, await configs.get(), settings, provider)
    return ModelList.of(offered, page, page_size)
