"""Which model a call uses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cairn.domain.llm import Config, ProviderConfig
from cairn.domain.llm.policy import choose
from cairn.errors import CairnError
from cairn.settings import Settings

OFFLINE = Settings()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def kept(provider: str, models: list[str] | None = None, **defaults: str) -> ProviderConfig:
    return ProviderConfig(f"uuid-{provider}", provider, None, "…", models or [], defaults, NOW, None)


def chosen(config: Config, named: str | None, settings: Settings = OFFLINE) -> tuple[str, str | None] | str:
    try:
        choice = choose(config, settings, "chat", named)
    except CairnError as error:
        return error.code
    return choice.model, choice.provider.provider if choice.provider else None


LISTED = kept("openai", ["gpt-4o", "our-model"], chat="our-model")


@pytest.mark.parametrize(
    ("providers", "named", "expected"),
    [
        ([], None, ("offline", None)),
        ([], "openai:anything", ("openai:anything", None)),
        ([], "gpt-4o", ("openai:gpt-4o", None)),
        ([], "claude-sonnet-4-6", ("anthropic:claude-sonnet-4-6", None)),
        ([], "nobody", "unknown_model"),
        ([], "nobody:model", "unknown_model"),
        ([], "azure:model", "unknown_model"),
        ([LISTED], None, ("offline", None)),
        ([LISTED], "our-model", ("openai:our-model", None)),
        ([LISTED], "openai:gpt-5.2", "model_not_allowed"),
        ([LISTED], "anthropic:x", ("anthropic:x", None)),
    ],
)
def test_with_the_installations_keys(providers: list[ProviderConfig], named: str | None, expected: object) -> None:
    assert chosen(Config("platform", providers), named) == expected


@pytest.mark.parametrize(
    ("providers", "named", "expected"),
    [
        ([], None, "llm_key_missing"),
        ([], "openai:gpt-4o", "llm_key_missing"),
        ([LISTED], None, ("openai:our-model", "openai")),
        ([kept("openai", ["first", "second"])], None, ("openai:first", "openai")),
        ([kept("openai")], None, "model_required"),
        ([kept("openai")], "any-name", ("openai:any-name", "openai")),
        ([kept("openai"), kept("google")], "any-name", "unknown_model"),
        ([kept("openai"), kept("google", ["any-name"])], "any-name", ("google:any-name", "google")),
        ([kept("openrouter")], "openrouter:meta/llama:free", ("openrouter:meta/llama:free", "openrouter")),
        ([LISTED], "openai:gpt-5.2", "model_not_allowed"),
        ([LISTED], "openai:", "unknown_model"),
        ([LISTED], "anthropic:x", "llm_key_missing"),
        ([LISTED], "offline", "model_not_allowed"),
        ([LISTED], "local", "model_not_allowed"),
    ],
)
def test_with_keys_of_ones_own(providers: list[ProviderConfig], named: str | None, expected: object) -> None:
    assert chosen(Config("byok", providers), named) == expected
