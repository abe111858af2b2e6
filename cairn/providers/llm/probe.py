"""Asks a provider whether it takes a key."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import httpx2
from pydantic_core import from_json

from cairn.providers.http import AddressRefused
from cairn.providers.llm.own import OwnModel, guarded_client, protocol_of
from cairn.settings import Settings

_PATIENCE = httpx2.Timeout(10.0, connect=5.0)
_LONGEST = 15.0
_MODELS_LIMIT = 1_000
_REFUSED = (401, 403)
_NOT_SERVED = (404, 405, 501)
_ANY_MODEL = "gpt-4o-mini"


@dataclass(frozen=True, slots=True)
class Probe:
    """What a provider said to a key.

    Attributes:
        error: why it cannot be used; nothing of the key is in it.
        models: names of the models that the key opens, when the provider lists them.
    """

    valid: bool
    latency_ms: float
    error: str | None = None
    models: list[str] | None = None


async def probe(own: OwnModel, settings: Settings) -> Probe:
    """Ask the provider for its models with the key; a server that lists none is asked for one token.

    Raises:
        ModelConfigError: the base URL that the provider needs is missing, or no URL.
    """
    protocol, url = protocol_of(own)
    begin = perf_counter()
    try:
        async with (
            asyncio.timeout(_LONGEST),
            guarded_client(own, settings, trusted=not url, patience=_PATIENCE) as client,
        ):
            error, models = await _ask(client, protocol, url or _usual(protocol, settings), own)
    except Exception as failure:
        error, models = _told(failure), None
    return Probe(error is None, round((perf_counter() - begin) * 1000, 3), error, models)


async def _ask(
    client: httpx2.AsyncClient, protocol: str, url: str, own: OwnModel
) -> tuple[str | None, list[str] | None]:
    base = url.rstrip("/")
    key = own.api_key.get_secret_value() if own.api_key else ""
    match protocol:
        case "anthropic":
            headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
            return _read(await client.get(f"{base}/v1/models?limit=1000", headers=headers))
        case "google":
            listed = await client.get(f"{base}/v1beta/models?pageSize=1000", headers={"x-goog-api-key": key})
            return _read(listed, wrong=(400, *_REFUSED))
        case _:
            return await _ask_openai(client, base, own.provider, {"Authorization": f"Bearer {key}"})


async def _ask_openai(
    client: httpx2.AsyncClient, base: str, provider: str, headers: Mapping[str, str]
) -> tuple[str | None, list[str] | None]:
    if provider == "openrouter":  # its list of models needs no key
        error = _wrong(await client.get(f"{base}/key", headers=headers))
        if error is not None:
            return error, None
    listed = await client.get(f"{base}/models", headers=headers)
    if listed.status_code not in _NOT_SERVED:
        return _read(listed)
    body = {"model": _ANY_MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    answered = await client.post(f"{base}/chat/completions", headers=headers, json=body)
    if answered.status_code == 404 and _says(answered, "model"):
        return None, None  # it knows the key, and not the model
    return _wrong(answered), None


def _read(reply: httpx2.Response, wrong: tuple[int, ...] = _REFUSED) -> tuple[str | None, list[str] | None]:
    """Return what is wrong, and the models that are listed."""
    error = _wrong(reply, wrong)
    if error is not None:
        return error, None
    try:
        body = cast("dict[str, Any]", from_json(reply.content))
        listed = cast("list[dict[str, Any]]", body.get("data") or body.get("models") or [])
        names = [str(each.get("id") or each.get("name")).removeprefix("models/") for each in listed]
    except (ValueError, AttributeError, TypeError):
        return "What answers is no provider of models.", None
    return None, names[:_MODELS_LIMIT]


def _wrong(reply: httpx2.Response, refused: tuple[int, ...] = _REFUSED) -> str | None:
    if reply.status_code in refused:
        return f"The provider refuses the key (HTTP {reply.status_code})."
    if reply.status_code == 429:
        return "The provider takes no more requests with this key at present (HTTP 429)."
    return None if reply.is_success else f"The provider answers with HTTP {reply.status_code}."


def _says(reply: httpx2.Response, word: str) -> bool:
    return word in reply.text[:2_000].lower()


def _usual(protocol: str, settings: Settings) -> str:
    """Return where the installation asks a provider."""
    match protocol:
        case "anthropic":
            return settings.anthropic_base_url or "https://api.anthropic.com"
        case "google":
            return settings.google_base_url or "https://generativelanguage.googleapis.com"
        case _:
            return settings.openai_base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"


def _told(failure: Exception) -> str:
    refused: BaseException | None = failure
    while refused is not None and not isinstance(refused, AddressRefused):
        refused = refused.__cause__ or refused.__context__
    if refused is not None:
        return str(refused)
    match failure:
        case TimeoutError() | httpx2.TimeoutException():
            return "The provider does not answer in time."
        case httpx2.ConnectError():
            return "The provider cannot be reached."
        case httpx2.HTTPError():
            return "The connection to the provider broke."
        case _:
            raise failure
