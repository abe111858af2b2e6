"""Models that an author has named with a key or a base URL of the author's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from activities.failures import node_error
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import NodeCall
from cairn.domain.credentials import Sealer, TextSealer
from cairn.errors import CairnError, Unavailable
from cairn.providers.llm import LanguageModel, LanguageModels, ModelConfigError, OwnModel


def own_model(call: NodeCall, sealer: Sealer | None) -> OwnModel:
    """Return what the call says of the model, with the key decrypted.

    Raises:
        ApplicationError: ``credential_damaged``, or ``credential_key_unknown`` (retryable).
    """
    own: JsonObject = call.data["own"]
    provider, _, model = str(call.data.get("model") or "").partition(":")
    key: str | None = own.get("api_key")
    try:
        if key and sealer is not None:
            key = TextSealer(sealer, call.tenant, call.live).open(key)
    except CairnError as error:
        raise node_error(error.code, error.message, retryable=isinstance(error, Unavailable)) from error
    return OwnModel(provider, model, SecretStr(key) if key else None, own.get("endpoint"))


@asynccontextmanager
async def opened(models: LanguageModels, own: OwnModel) -> AsyncGenerator[LanguageModel]:
    """Open the model for one call.

    Raises:
        ApplicationError: ``model_config``.
    """
    try:
        async with models.own(own) as model:
            yield model
    except ModelConfigError as error:
        raise node_error("model_config", str(error), retryable=False) from error
