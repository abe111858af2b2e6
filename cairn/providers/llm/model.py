"""What a provider gives: a model that pydantic-ai can talk to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import httpx2
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from cairn.settings import Settings


class ModelConfigError(Exception):
    """A model cannot be used as this installation is set up; trying again does not help."""


class ModelLimit(Exception):
    """The model, by its nature, cannot do what is asked; trying again does not help."""


@dataclass(frozen=True)
class LanguageModel:
    """A model ready for requests.

    Attributes:
        name: as graphs write it, for example ``openai:gpt-5.2``.
        model: the pydantic-ai model.
        free: its use costs nothing, so its price is 0 and not unknown.
        remote: it is asked over a network, so the timeouts and retries of a client apply.
        settings: sent with every request.
        secret: the key that is sent; it must not be told, however the other side repeats it.
    """

    name: str
    model: Model
    free: bool = False
    remote: bool = True
    settings: ModelSettings = field(default_factory=ModelSettings)
    secret: str = field(default="", repr=False)


ClientFactory: TypeAlias = Callable[[], httpx2.AsyncClient]


class Provider(Protocol):
    """What the module of a provider has."""

    async def open_model(self, name: str, settings: Settings, client: ClientFactory) -> LanguageModel:
        """Return a model.

        Args:
            name: the model's name at the provider, the part after the colon; may be empty.
            settings: keys and base URLs.
            client: gives the one for requests, which is shared and closed by the caller.

        Raises:
            ModelConfigError: the name or a key is missing, or something is not installed.
        """
        ...
