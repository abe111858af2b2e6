"""Language models as agentflow shows them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from cairn.domain.llm.model import USE_CASES
from cairn.domain.llm.offered import OfferedModel

Capability = Literal["text", "tools", "vision", "structured_output", "streaming"]


class Pricing(BaseModel):
    """What a model costs, up to the first tier of long prompts."""

    input_per_1m: float = Field(description="For a million tokens of prompts.")
    output_per_1m: float = Field(description="For a million tokens of answers.")
    cached_input_per_1m: float | None = Field(description="For a million tokens that the provider had cached.")
    currency: Literal["USD"] = "USD"


class Model(BaseModel):
    """A language model."""

    id: str = Field(description="As callers and graphs name it: `provider:name`.", examples=["openai:gpt-5.2"])
    provider: str
    display_name: str
    context_window: int | None = Field(description="Tokens of prompt and answer together; null: not known.")
    max_output_tokens: int | None = Field(description="Tokens of an answer; null: not known.")
    capabilities: list[Capability] | None = Field(description="Null: not known.")
    pricing: Pricing | None = Field(description="Null: not known.")
    available: bool = Field(description="Whether there is a key for it, and the tenant allows it.")
    catalog_date: date = Field(description="Day of the newest change of a price that the catalogue knows.")

    @classmethod
    def of(cls, offered: OfferedModel) -> Model:
        """Make it of what the domain offers."""
        known = offered.known
        price = known.pricing if known else None
        return cls(
            id=offered.id,
            provider=offered.provider,
            display_name=known.display_name if known else offered.name,
            context_window=known.context_window if known else None,
            max_output_tokens=known.max_output_tokens if known else None,
            capabilities=list(known.capabilities) if known else None,  # pyright: ignore[reportArgumentType]
            pricing=Pricing.model_validate(price, from_attributes=True) if price else None,
            available=offered.available,
            catalog_date=offered.catalogue_date,
        )


class ModelList(BaseModel):
    """A page of the models, by provider and name."""

    models: list[Model]
    total: int
    page: int
    page_size: int

    @classmethod
    def of(cls, offered: list[OfferedModel], page: int, page_size: int) -> ModelList:
        """Make it of all that are offered."""
        shown = offered[(page - 1) * page_size : page * page_size]
        return cls(models=[Model.of(each) for each in shown], total=len(offered), page=page, page_size=page_size)


class UseCase(BaseModel):
    """What a default model can be set for."""

    id: str
    description: str = Field(description="Where the default is used.")
    default: str | None = Field(description="Id of the model that is set for it.")


class ModelOptions(BaseModel):
    """What can be mapped: models that can be used, and use cases."""

    models: list[Model]
    use_cases: list[UseCase]

    @classmethod
    def of(cls, offered: list[OfferedModel], defaults: dict[str, str]) -> ModelOptions:
        """Make it of what is offered, and of the defaults that are set."""
        cases = [UseCase(id=case, description=text, default=defaults.get(case)) for case, text in USE_CASES.items()]
        return cls(models=[Model.of(each) for each in offered if each.available], use_cases=cases)
