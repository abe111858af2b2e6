"""A tenant's choice of language models, as callers see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from cairn.persistence.tables import LlmProviderRow

Mode = Literal["platform", "byok"]

BYO_PROVIDERS = ("openai", "azure", "openrouter", "anthropic", "google")
"""Providers that take a key of a tenant's own."""

USE_CASES = {
    "chat": "POST /api/v1/llm/chat",
    "autocomplete": "POST /api/v1/llm/autocomplete",
    "recommend": "POST /api/v1/llm/recommend",
    "tools": "POST /api/v1/agent/{agent_id}/tools/generate",
    "capabilities": "POST /api/v1/agent/{agent_id}/capability/plan, and …/reflect",
}
"""What a default model can be set for, and where it is used."""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """A provider's key of a tenant's own, without the key.

    Attributes:
        key_hint: the key's last characters, ``…abcd``.
        models: names of the models that may be used; empty: all of the provider.
        defaults: names of models by use case.
    """

    uuid: str
    provider: str
    base_url: str | None
    key_hint: str
    models: list[str]
    defaults: dict[str, str]
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: LlmProviderRow) -> ProviderConfig:
        """Make it of its row."""
        return cls(
            uuid=row.uuid,
            provider=row.provider,
            base_url=row.base_url,
            key_hint=row.key_hint,
            models=cast("list[str]", row.models),
            defaults=cast("dict[str, str]", row.defaults),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
        )

    @property
    def default_for(self) -> list[str]:
        """The use cases whose default is a model of this provider."""
        return sorted(self.defaults)

    def model_id(self, name: str) -> str:
        """Return a model's id as callers write it."""
        return f"{self.provider}:{name}"

    def allows(self, name: str) -> bool:
        """Tell whether a model of this provider may be used."""
        return not self.models or name in self.models


@dataclass(frozen=True, slots=True)
class Config:
    """Whose keys a tenant's calls use, and the policy that is kept with its own keys.

    Attributes:
        providers: the oldest first.
    """

    mode: Mode
    providers: list[ProviderConfig]

    @property
    def allowlist(self) -> list[str]:
        """Ids of the only models that may be used of the providers that have a list."""
        return [each.model_id(name) for each in self.providers for name in each.models]

    @property
    def defaults(self) -> dict[str, str]:
        """Ids of models by use case."""
        return {case: each.model_id(name) for each in self.providers for case, name in each.defaults.items()}

    def provider(self, name: str) -> ProviderConfig | None:
        """Return what is kept for a provider."""
        return next((each for each in self.providers if each.provider == name), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that a call is to use.

    Attributes:
        model: its id.
        provider: the tenant's own, None for the installation's.
    """

    model: str
    provider: ProviderConfig | None = None
