"""Models with a key, and at a base URL, of their author's: who is asked, with what, and who never is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from calls import fail, node_call, run
from pydantic import SecretStr
from servers.listen import serve
from servers.openai_server import KEY, OpenAIServer, text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from activities.llm import AgentActivities
from cairn.domain.credentials import Sealer, TextSealer
from cairn.domain.tools import ToolRegistry
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings

OURS = "key-of-the-installation"
SEALER = Sealer([("k", bytes(32))])
SEALED = TextSealer(SEALER, "t", True).seal(KEY)


@pytest.fixture(autouse=True)
def keys_of_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, OURS)


def reviewer(**settings: Any) -> Any:
    settings = {"http_allow_private": True, "openai_api_key": SecretStr(OURS), **settings}
    return AgentActivities(LanguageModels(Settings(**settings)), ToolRegistry(), None, SEALER).run_agent


def asked(endpoint: str | None, key: str | None = SEALED, provider: str = "openai", **more: Any) -> Any:
    data = {"prompt": "Judge", "model": f"{provider}:my-model", "own": {"api_key": key, "endpoint": endpoint}}
    return node_call(**data, **more)


async def test_the_authors_model_is_asked_with_the_authors_key(server: OpenAIServer) -> None:
    server.will(text("Well done"))
    result = await run(reviewer(openai_base_url="http://127.0.0.1:9/v1"), asked(server.url))
    assert (result.value, result.model, server.requests[0]["model"]) == ("Well done", "openai:my-model", "my-model")
    azure = await run(reviewer(), asked(server.url, provider="azure"))
    assert (azure.value, azure.model) == ("Well done", "azure:my-model")


async def test_a_key_alone_goes_to_the_provider_of_the_installation(server: OpenAIServer) -> None:
    server.will(text("Well done"))
    result = await run(reviewer(openai_base_url=server.url, http_allow_private=False), asked(None))
    assert result.value == "Well done"


class Listener:
    """Keeps the headers that it is sent, and answers with them as an error, or leads elsewhere."""

    def __init__(self) -> None:
        self.heard: list[dict[str, str]] = []
        self.location: str | None = None
        self.headers: dict[str, str] = {}
        self.content = b""

    async def hear(self, request: Request) -> Response:
        self.heard.append(dict(request.headers))
        if self.location:
            return Response(status_code=307, headers={"location": self.location})
        if self.content:
            return Response(self.content, headers={"content-type": "application/json", **self.headers})
        told = {"message": f"Wrong key {[*request.headers.values()]}", "type": "x", "code": "c", "status": "x"}
        return JSONResponse({"error": told, "type": "error"}, 401)


@pytest.fixture
async def listener() -> AsyncGenerator[tuple[Listener, str]]:
    made = Listener()
    async with serve(Starlette(routes=[Route("/{path:path}", made.hear, methods=["GET", "POST"])])) as url:
        yield made, url


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openrouter", "azure"])
async def test_neither_key_is_told(listener: tuple[Listener, str], provider: str) -> None:
    heard, url = listener
    failure = await fail(reviewer(), asked(url, provider=provider))
    assert failure.type == "model_unauthorized"
    assert KEY not in str((failure.message, failure.details)) and failure.__cause__ is None
    sent = str(heard.heard)
    assert KEY in sent and OURS not in sent


async def test_a_server_without_a_key_gets_none(listener: tuple[Listener, str]) -> None:
    heard, url = listener
    assert (await fail(reviewer(), asked(url, None))).type == "model_unauthorized"
    assert "authorization" not in heard.heard[0] and OURS not in str(heard.heard)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
async def test_redirects_are_not_followed(listener: tuple[Listener, str], server: OpenAIServer, provider: str) -> None:
    heard, url = listener
    heard.location = f"{server.url}/chat/completions"
    await fail(reviewer(), asked(url, provider=provider))
    assert len(heard.heard) == 1 and server.requests == []


@pytest.mark.parametrize(
    ("content", "headers"),
    [(b"[" + b" " * (10 * 1024 * 1024 + 1), {}), (b"{}", {"content-encoding": "gzip"})],
    ids=["large", "packed"],
)
async def test_a_reply_is_bounded(listener: tuple[Listener, str], content: bytes, headers: dict[str, str]) -> None:
    listener[0].content, listener[0].headers = content, headers
    assert (await fail(reviewer(), asked(listener[1]))).type == "connection_error"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (asked(None, provider="azure"), "model_config"),
        (asked("https://x.example", provider="local"), "model_config"),
        (asked("https://x.example", None, "anthropic"), "model_config"),
        (asked(None, TextSealer(SEALER, "another", True).seal(KEY)), "credential_damaged"),
        (asked(None, TextSealer(Sealer([("j", bytes(32))]), "t", True).seal(KEY)), "credential_key_unknown"),
        (asked(None, "sealed:k:%%%"), "credential_damaged"),
    ],
)
async def test_what_cannot_be_asked_says_why(call: Any, code: str) -> None:
    assert (await fail(reviewer(), call)).type == code
