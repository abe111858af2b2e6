"""Models that an author names with a key, or at a base URL, of the author's own.

Such a URL is as little to be trusted as that of an http node: only public addresses are connected to unless the
installation allows others, redirects are not followed, replies are bounded, and none of the installation's own keys,
which the libraries find in the environment, goes there.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

import httpx2
from pydantic import SecretStr

from cairn.providers.http import open_client
from cairn.providers.llm.model import LanguageModel, ModelConfigError, Provider
from cairn.settings import Settings

REPLY_LIMIT = 10 * 1024 * 1024
"""Bytes of a reply."""

_OPENROUTER = "https://openrouter.ai/api/v1"
_AZURE_PATH = "/openai/v1/"
_NO_KEY = "none"
_SAYS_WHO = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})
_TIMEOUT = httpx2.Timeout(300.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A model as its author names it.

    Attributes:
        provider: openai, azure, openrouter, anthropic or google.
        model: its name there.
        api_key: None: the server wants none.
        endpoint: base URL; None: that of the provider, as the installation has it.
    """

    provider: str
    model: str
    api_key: SecretStr | None = None
    endpoint: str | None = None


@asynccontextmanager
async def open_own(own: OwnModel, settings: Settings) -> AsyncGenerator[LanguageModel]:
    """Open a model for one call.

    Raises:
        ModelConfigError: unknown provider, or the key or the base URL that it needs is missing, or no URL.
    """
    kind, url = protocol_of(own)
    if own.api_key is None and own.provider != "openai":
        raise ModelConfigError(f"Models of {own.provider} need a key")
    key = own.api_key or SecretStr(_NO_KEY)
    changed = {f"{kind}_api_key": key, **({f"{kind}_base_url": url} if url else {})}
    module = await asyncio.to_thread(importlib.import_module, f"cairn.providers.llm.{kind}")
    async with guarded_client(own, settings, trusted=not url) as client:
        made = await cast("Provider", module).open_model(own.model, settings.model_copy(update=changed), lambda: client)
        yield replace(made, name=f"{own.provider}:{own.model}")


def protocol_of(own: OwnModel) -> tuple[str, str | None]:
    """Return whose API the model's server speaks (openai, anthropic or google), and its base URL if one is known.

    Raises:
        ModelConfigError: unknown provider, or the base URL that it needs is missing, or no URL.
    """
    url = _checked(own.endpoint)
    match own.provider:
        case "openrouter":
            return "openai", url or _OPENROUTER
        case "azure":
            return "openai", _azure(url)
        case "openai" | "anthropic" | "google":
            return own.provider, url
        case _:
            raise ModelConfigError(f"Provider {own.provider!r} has no models with a key or a base URL of one's own")


@asynccontextmanager
async def guarded_client(
    own: OwnModel, settings: Settings, *, trusted: bool = False, patience: httpx2.Timeout = _TIMEOUT
) -> AsyncGenerator[httpx2.AsyncClient]:
    """Open a client that keeps to what the head of this module says.

    Args:
        own: whose key alone is sent.
        settings: whether private addresses are allowed.
        trusted: the address is the installation's own.
        patience: for each step of a request.
    """
    async with open_client(allow_private=settings.http_allow_private or trusted, timeout=patience) as client:
        client.headers["accept-encoding"] = "identity"
        client.event_hooks = {"request": [_bearing(own.api_key)], "response": [_bound]}
        yield client


def _checked(endpoint: str | None) -> str | None:
    try:
        return str(httpx2.URL(endpoint)) if endpoint else None
    except httpx2.InvalidURL as error:
        raise ModelConfigError(f"The base URL of the model is none: {error}") from error


def _azure(endpoint: str | None) -> str:
    """Return the base URL of a resource's chat completions; its bare address is what authors are shown."""
    if not endpoint:
        raise ModelConfigError("Models of azure need the base URL of their resource")
    url = httpx2.URL(endpoint)
    return str(url.copy_with(path=_AZURE_PATH)) if url.path in ("", "/") else endpoint


def _bearing(key: SecretStr | None) -> Callable[[httpx2.Request], Awaitable[None]]:
    async def only_the_key(request: httpx2.Request) -> None:
        for name in _SAYS_WHO & {name.lower() for name in request.headers}:
            if key is None or key.get_secret_value() not in request.headers[name]:
                del request.headers[name]

    return only_the_key


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._stream = cast("httpx2.AsyncByteStream", response.stream)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > REPLY_LIMIT:
                raise httpx2.RemoteProtocolError(f"the reply has more than {REPLY_LIMIT} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise httpx2.RemoteProtocolError("the reply is encoded, which was not asked for")
    response.stream = _Bounded(response)
