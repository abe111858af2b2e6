"""What the tenant has used of models, and what it and its users may spend in a month."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.agentflow.auth import ADMINISTRATOR
from api.agentflow.schemas.usage import Budget, SetBudget, SetUserBudget, UsageSummary, UserBudget, UserBudgetList
from api.kit.deps import Budgets
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from cairn.domain import usage

router = APIRouter(prefix="/api/v1/admin", tags=["usage"], route_class=SurfaceRoute, dependencies=[ADMINISTRATOR])
Range = Annotated[usage.Range, Query(description="So many days, today with them; or all.")]


@router.get("/usage/summary")
async def get_usage_summary(request: Request, unit: Unit, range: Range = "7d") -> UsageSummary:
    """Say what models have used for the tenant: by day, model, agent and user."""
    return UsageSummary.of(await usage.summarize(unit.session, request.state.principal.scope, range))


@router.get("/budget", response_model=Budget)
async def get_budget(budgets: Budgets) -> usage.Budget:
    """Read the tenant's budget of the present month."""
    return await budgets.get()


@router.put("/budget", response_model=Budget)
async def put_budget(body: SetBudget, budgets: Budgets) -> usage.Budget:
    """Set the tenant's own monthly limit, or clear it by null. It holds for requests that begin afterwards."""
    return await budgets.put(_dollars(body.monthly_limit))


@router.get("/budget/users")
async def list_user_budgets(budgets: Budgets, paged: Paged) -> UserBudgetList:
    """List users that have a limit or have spent anything, with what they spent in the present month."""
    return UserBudgetList.of(await budgets.users(paged.page, paged.page_size, paged.anchor))


@router.put("/budget/users", response_model=UserBudget)
async def put_user_budget(body: SetUserBudget, budgets: Budgets) -> usage.UserBudget:
    """Set what a user may spend in a month, or clear it by null; the tenant's budget holds beside it."""
    return await budgets.put_user(body.user_id, _dollars(body.monthly_limit))


def _dollars(amount: float | None) -> Decimal | None:
    return None if amount is None else Decimal(str(amount))
