"""The models that a tenant is offered: those that are known, and those that it names itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date

from cairn.domain.llm.model import Config
from cairn.domain.llm.policy import choose
from cairn.errors import CairnError
from cairn.providers.llm.catalogue import CLOUDS, KnownModel, catalogue_date, known_models
from cairn.settings import Settings


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model.

    Attributes:
        known: what the catalogue says of it; None when it does not know it.
        available: there is a key for it, and the tenant allows it.
    """

    id: str
    known: KnownModel | None
    available: bool
    catalogue_date: date

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.id.partition(":")[0]

    @property
    def name(self) -> str:
        """The model's name at its provider."""
        return self.id.partition(":")[2] or self.id


def offered_models(config: Config, settings: Settings, provider: str | None = None) -> list[OfferedModel]:
    """Return the models, by provider and name.

    Args:
        config: the tenant's.
        settings: with the installation's keys.
        provider: of this provider alone.
    """
    known = {model.id: model for model in known_models()}
    ids = [*known, *(each for each in config.allowlist if each not in known)]
    served = {name for name in (*CLOUDS, "local", "offline") if _served(name, settings)}
    made = [OfferedModel(each, known.get(each), _may(config, settings, each, served), catalogue_date()) for each in ids]
    return [each for each in made if provider in (None, each.provider)]


def _may(config: Config, settings: Settings, model: str, served: set[str]) -> bool:
    try:
        choice = choose(config, settings, "chat", model)
    except CairnError:
        return False
    return choice.provider is not None or model.partition(":")[0] in served


def _served(provider: str, settings: Settings) -> bool:
    """Tell whether the installation can ask a provider; the workers have the same settings."""
    match provider:
        case "offline":
            return True
        case "local":
            from cairn.providers.llm.local import find_weights

            return find_weights() is not None
        case _:
            set_ = getattr(settings, f"{provider}_api_key") or os.environ.get(f"{provider.upper()}_API_KEY")
            return bool(set_ or (provider == "openai" and settings.openai_base_url))
