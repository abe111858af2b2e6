"""How two versions of a workflow differ."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.kit.auth import may
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from api.voice.schemas.differences import VersionDifference
from cairn.domain.graphs.named import version_named
from cairn.graph.difference import difference

router = APIRouter(prefix="/api/v1/workflow", tags=["versions"], route_class=SurfaceRoute)
VersionName = Annotated[str, Path(max_length=20, description="A version's number, `draft` or `published`.")]


@router.get("/{workflow_id}/versions/{a}/diff/{b}", dependencies=[may("graphs:read")])
async def compare_workflow_versions(
    workflow_id: str, a: VersionName, b: VersionName, unit: Unit, request: Request
) -> VersionDifference:
    """Tell what was added, removed and changed from version `a` to version `b`; what only moved is told apart."""
    scope = request.state.principal.scope
    before, after = [await version_named(unit.session, scope, workflow_id, name) for name in (a, b)]
    found = await asyncio.to_thread(difference, before.definition, after.definition)
    return VersionDifference.of(before, after, found)
