"""Approvals: a person lets an execution go on, or an agent call a tool."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.agentflow.conventions import Error
from api.agentflow.schemas.requests import (
    Approval,
    ApprovalList,
    BulkResult,
    BulkResults,
    Dashboard,
    Expired,
    RespondToApproval,
    RespondToApprovals,
    ToolStatistics,
)
from api.kit.auth import may
from api.kit.deps import Agents, ApprovalFigures, Requests
from api.kit.links import lists
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from cairn.domain.requests import model
from cairn.domain.requests.model import RequestFilter
from cairn.errors import CairnError

router = APIRouter(prefix="/api/v1/approvals", tags=["approvals"], route_class=SurfaceRoute)
READ, WRITE = may("approvals:read"), may("approvals:write")
EXPIRED: dict[int | str, dict[str, Any]] = {410: {"model": Error, "description": "Its time is over."}}
Text = Annotated[str | None, Query(max_length=255)]


async def pending_filter(tool_name: Text = None, agent_id: Text = None, execution_id: Text = None) -> RequestFilter:
    """Return what the query asks for; all filters hold at once."""
    return RequestFilter(execution_id, tool_name, agent_id)


Filtered = Annotated[RequestFilter, Depends(pending_filter)]


@router.get("/pending", dependencies=[READ], openapi_extra=lists("approval_id", "approvals"))
async def list_pending_approvals(requests: Requests, which: Filtered, paged: Paged) -> ApprovalList:
    """List the approvals that wait for a person, newest first."""
    found = await requests.list_pending("approval", which, paged.page, paged.page_size, paged.anchor)
    return ApprovalList.of(found)


@router.get("/dashboard/summary", dependencies=[READ])
async def get_approval_dashboard(figures: ApprovalFigures) -> Dashboard:
    """Say how approvals stand."""
    return Dashboard.of(await figures.dashboard())


@router.get("/tools/{tool_id}/stats", response_model=ToolStatistics, dependencies=[READ])
async def get_tool_approval_stats(tool_id: str, figures: ApprovalFigures, agents: Agents) -> model.ToolStatistics:
    """Say how the approvals of a tool ended."""
    return await figures.of_tool(tool_id, await agents.tools.callable([tool_id]))


@router.post("/cleanup-expired", dependencies=[WRITE])
async def clean_up_expired_approvals(requests: Requests) -> Expired:
    """Mark the approvals whose time is over. Executions notice by themselves, so this only tidies the list."""
    return Expired(expired=await requests.expire_overdue())


@router.post("/bulk-respond", dependencies=[WRITE])
async def respond_to_approvals(body: RespondToApprovals, requests: Requests, unit: Unit) -> BulkResults:
    """Decide several approvals, each by itself: what is wrong with one is told in its result."""
    results: list[BulkResult] = []
    for index, each in enumerate(body.responses):
        await unit.commit()
        key = unit.operation_key and f"{unit.operation_key}/{index}"
        try:
            done = await requests.answer("approval", each.id, each.reply(), key)
        except CairnError as error:
            done = error
        results.append(BulkResult.of(each.id, done))
    return BulkResults(results=results)


@router.get("/{approval_id}", response_model=Approval, dependencies=[READ])
async def get_approval(approval_id: str, requests: Requests) -> model.Request:
    """Read an approval."""
    return await requests.get("approval", approval_id)


@router.post("/{approval_id}/respond", response_model=Approval, dependencies=[WRITE], responses=EXPIRED)
async def respond_to_approval(
    approval_id: str, body: RespondToApproval, requests: Requests, unit: Unit
) -> model.Request:
    """Approve, deny, or approve with modified arguments. The first answer counts; another one is a 409."""
    await unit.commit()
    return await requests.answer("approval", approval_id, body.reply(), unit.operation_key)


@router.delete(
    "/{approval_id}",
    response_model=Approval,
    dependencies=[WRITE],
    responses={409: {"model": Error, "description": "It is decided already, or its execution has ended."}, **EXPIRED},
)
async def cancel_approval(approval_id: str, requests: Requests) -> model.Request:
    """Take an approval back; the execution sees it denied."""
    return await requests.cancel(approval_id)
