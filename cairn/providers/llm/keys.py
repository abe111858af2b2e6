"""Names and keys that a provider of a cloud needs."""

from __future__ import annotations

import os

from pydantic import SecretStr
from pydantic_ai.settings import ModelSettings

from cairn.providers.llm.model import ModelConfigError

NO_CLIENT_RETRIES = ModelSettings(max_retries=0)
"""Temporal retries; an SDK that retried as well would hide failures and multiply requests."""


def need_name(provider: str, name: str, example: str) -> str:
    """Return the model's name.

    Raises:
        ModelConfigError: it is empty.
    """
    if not name:
        raise ModelConfigError(f"Name a model of {provider}, for example {provider}:{example}")
    return name


def find_key(provider: str, setting: SecretStr | None) -> str | None:
    """Return the key of ``CAIRN_<PROVIDER>_API_KEY``, else of ``<PROVIDER>_API_KEY``."""
    found = setting.get_secret_value() if setting else os.environ.get(f"{provider.upper()}_API_KEY")
    return found or None


def need_key(provider: str, setting: SecretStr | None) -> str:
    """Return the key.

    Raises:
        ModelConfigError: there is none.
    """
    key = find_key(provider, setting)
    if key is None:
        variable = f"{provider.upper()}_API_KEY"
        raise ModelConfigError(f"Models of {provider} need a key: set CAIRN_{variable} (or {variable}) for the worker")
    return key
