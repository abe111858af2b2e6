"""Usage and budgets as agentflow takes and shows them. Money is US dollars."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import Body
from cairn.domain import usage
from cairn.persistence.paging import Page

MonthlyLimit = Annotated[
    float | None, Field(ge=0, le=1e9, description="US dollars that may be spent on models in a month (UTC).")
]


class Figures(BaseModel):
    """What was used."""

    model_config = ConfigDict(from_attributes=True)

    requests: int
    input_tokens: int
    output_tokens: int
    cost: float
    unpriced_requests: int = Field(description="Requests to models without a known price, which `cost` leaves out.")


class OfDay(Figures):
    """Use on a day (UTC)."""

    date: datetime.date


class OfModel(Figures):
    """Use of a model."""

    model: str


class OfAgent(Figures):
    """Use by an agent."""

    agent_id: str | None = Field(description="uuid of the graph; null for what belongs to none.")
    name: str | None = Field(description="Its name; null when it is gone.")


class OfUser(Figures):
    """Use for a user."""

    user_id: str | None = Field(description="Null for nobody known.")


class UsageSummary(BaseModel):
    """The use of models by the tenant over a time."""

    range: Literal["7d", "30d", "90d", "all"]
    begin: datetime.datetime | None = Field(
        serialization_alias="from", description="Null when nothing was ever used; else the beginning of a day."
    )
    end: datetime.datetime = Field(serialization_alias="to")
    currency: Literal["USD"] = "USD"
    totals: Figures
    by_day: list[OfDay] = Field(description="Oldest first, also days without use; of `all` only days with use.")
    by_model: list[OfModel] = Field(description="Most expensive first, as are agents and users.")
    by_agent: list[OfAgent]
    by_user: list[OfUser]

    @classmethod
    def of(cls, found: usage.Summary) -> UsageSummary:
        """Make it of what the domain found."""
        return cls(
            range=found.range,
            begin=found.begin,
            end=found.end,
            totals=Figures.model_validate(found.totals),
            by_day=[OfDay(date=day, **_figures(used)) for day, used in found.by_day.items()],
            by_model=[OfModel(model=model, **_figures(used)) for model, used in found.by_model.items()],
            by_agent=[
                OfAgent(agent_id=agent, name=found.names.get(agent or ""), **_figures(used))
                for agent, used in found.by_agent.items()
            ],
            by_user=[OfUser(user_id=user, **_figures(used)) for user, used in found.by_user.items()],
        )


class Budget(BaseModel):
    """What the tenant may spend in the present month."""

    model_config = ConfigDict(from_attributes=True)

    monthly_limit: float | None = Field(description="The tenant's own; null: the installation's default holds.")
    effective_limit: float | None = Field(description="Which holds; null: there is none.")
    spent: float
    reserved: float = Field(description="What requests to models that are under way may cost.")
    remaining: float | None = Field(description="Null without a limit.")
    currency: Literal["USD"] = "USD"
    resets_at: datetime.datetime = Field(description="When the next month begins.")
    source: Literal["default", "override"]


class SetBudget(Body):
    """The tenant's own limit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"monthly_limit": 250}]})

    monthly_limit: MonthlyLimit


class UserBudget(BaseModel):
    """What a user may spend in the present month."""

    model_config = ConfigDict(from_attributes=True)

    user_id: str
    monthly_limit: float | None = Field(description="Null: only the tenant's budget holds.")
    spent: float
    remaining: float | None = Field(description="Of the user's own limit; null without one.")


class UserBudgetList(BaseModel):
    """A page of users, the latest known first."""

    users: list[UserBudget]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later users out of the pages.")

    @classmethod
    def of(cls, page: Page[usage.UserBudget]) -> UserBudgetList:
        """Make it of what the domain found."""
        found = [UserBudget.model_validate(each) for each in page.items]
        return cls(users=found, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class SetUserBudget(Body):
    """A user's limit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "user_123", "monthly_limit": 20}]})

    user_id: str = Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")
    monthly_limit: MonthlyLimit


def _figures(used: object) -> dict[str, Any]:
    return Figures.model_validate(used).model_dump()
