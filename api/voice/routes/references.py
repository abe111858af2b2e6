"""Documents and recordings that nodes of calls may refer to. An installation holds none of either yet."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.kit.auth import may
from api.kit.route import SurfaceRoute
from api.voice.schemas.references import Documents, Recordings

router = APIRouter(prefix="/api/v1", tags=["references"], route_class=SurfaceRoute)


@router.get("/knowledge-base/documents", dependencies=[may("graphs:read")])
async def list_documents(
    limit: Annotated[int, Query(ge=1, le=1000)] = 100, offset: Annotated[int, Query(ge=0, le=2**53)] = 0
) -> Documents:
    """List documents: there are none, for this installation has no knowledge base."""
    return Documents(documents=[], total=0, limit=limit, offset=offset)


@router.get("/workflow-recordings/", dependencies=[may("graphs:read")])
async def list_recordings() -> Recordings:
    """List recordings: there are none, for calls here are text."""
    return Recordings(recordings=[], total=0)
