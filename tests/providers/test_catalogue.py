"""The catalogue of models: what is listed, and that its prices are those by which costs are counted."""

from __future__ import annotations

from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price

from cairn.providers.llm.catalogue import CLOUDS, KnownModel, catalogue_date, find_known, known_models

NAMED = {model.id: model for model in known_models()}
CLOUD = [model for model in known_models() if model.provider in CLOUDS]


def test_every_provider_has_models_and_no_id_is_there_twice() -> None:
    assert len(NAMED) == len(known_models())
    assert {model.provider for model in CLOUD} == set(CLOUDS)
    for expected in ("openai:gpt-4o-mini", "anthropic:claude-sonnet-4-6", "google:gemini-2.5-pro", "local", "offline"):
        assert expected in NAMED


def test_what_is_no_chat_model_is_not_listed() -> None:
    for word in ("embed", "tts", "whisper", "image", "audio", "realtime", "codex", "moderation"):
        assert [model.id for model in CLOUD if word in model.id] == []


@pytest.mark.parametrize("model", CLOUD, ids=lambda model: model.id)
def test_a_price_is_the_one_by_which_costs_are_counted(model: KnownModel) -> None:
    assert model.pricing is not None and model.pricing.input_per_1m > 0
    counted = calc_price(Usage(input_tokens=1000, output_tokens=1000), model.name, provider_id=model.provider)
    assert counted.total_price == (model.pricing.input_per_1m + model.pricing.output_per_1m) / Decimal(1000)
    assert model.context_window is None or model.context_window > 1000
    assert {"text", "streaming"} <= set(model.capabilities)


def test_abilities_are_those_of_the_model() -> None:
    assert "vision" in NAMED["openai:gpt-4o"].capabilities
    assert not {"tools", "vision"} & set(NAMED["openai:o1-mini"].capabilities)
    assert "structured_output" in NAMED["anthropic:claude-sonnet-4-6"].capabilities


def test_a_model_is_found_by_its_id_or_its_name() -> None:
    for name in ("openai:gpt-4o", "gpt-4o"):
        found = find_known(name)
        assert found is not None and found.id == "openai:gpt-4o"
    assert find_known("gpt-of-nobody") is None


def test_the_date_is_one_of_the_catalogue() -> None:
    assert catalogue_date().year >= 2026
