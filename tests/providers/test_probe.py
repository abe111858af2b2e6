"""Keys that are tried: what is asked of whom, and what is said of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from servers.listen import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from cairn.providers.llm.own import OwnModel
from cairn.providers.llm.probe import Probe, probe
from cairn.settings import Settings

GOOD, BAD = "the-good-key", "the-bad-key"
ALLOWED = Settings(http_allow_private=True)


class Provider:
    """Answers by path, and keeps what it is asked."""

    def __init__(self, replies: dict[str, Callable[[], Response]], header: str, prefix: str = "") -> None:
        self.replies, self.header, self.prefix = replies, header, prefix
        self.asked: list[tuple[str, str]] = []

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append((request.method, path))
        if path not in self.replies:
            return JSONResponse({"error": "nothing here"}, 404)
        if request.headers.get(self.header) != f"{self.prefix}{GOOD}":
            return JSONResponse({"error": f"no, not {request.headers.get(self.header)}"}, 401)
        return self.replies[path]()

    async def tried(self, provider: str, key: str = GOOD, settings: Settings = ALLOWED, path: str = "") -> Probe:
        app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])
        async with serve(app) as base:
            return await probe(OwnModel(provider, "", SecretStr(key), f"{base}{path}"), settings)


def of(body: Any, status: int = 200) -> Callable[[], Response]:
    return lambda: JSONResponse(body, status)


@pytest.mark.parametrize(
    ("provider", "path", "listing", "header", "prefix", "body"),
    [
        ("openai", "/v1", "/v1/models", "authorization", "Bearer ", {"data": [{"id": "a"}, {"id": "b"}]}),
        ("azure", "", "/openai/v1/models", "authorization", "Bearer ", {"data": [{"id": "a"}, {"id": "b"}]}),
        ("anthropic", "", "/v1/models", "x-api-key", "", {"data": [{"id": "a"}, {"id": "b"}]}),
        (
            "google",
            "",
            "/v1beta/models",
            "x-goog-api-key",
            "",
            {"models": [{"name": "models/a"}, {"name": "models/b"}]},
        ),
    ],
)
async def test_each_provider_is_asked_for_its_models(
    provider: str, path: str, listing: str, header: str, prefix: str, body: Any
) -> None:
    server = Provider({listing: of(body)}, header, prefix)
    good = await server.tried(provider, path=path)
    assert (good.valid, good.error, good.models) == (True, None, ["a", "b"])
    bad = await server.tried(provider, BAD, path=path)
    assert (bad.valid, bad.error, bad.models) == (False, "The provider refuses the key (HTTP 401).", None)


async def test_openrouter_lists_its_models_without_a_key_so_the_key_is_asked_for() -> None:
    server = Provider(
        {"/key": of({"data": {"label": "k"}}), "/models": of({"data": [{"id": "a"}]})}, "authorization", "Bearer "
    )
    assert (await server.tried("openrouter")).models == ["a"]
    assert not (await server.tried("openrouter", BAD)).valid
    assert server.asked == [("GET", "/key"), ("GET", "/models"), ("GET", "/key")]


async def test_a_server_that_lists_no_models_is_asked_for_one_token() -> None:
    for reply in (of({"choices": []}), of({"error": "the model does not exist"}, 404)):
        server = Provider({"/chat/completions": reply}, "authorization", "Bearer ")
        assert await server.tried("openai") == Probe(True, pytest.approx(0, abs=60_000), None, None)
        assert not (await server.tried("openai", BAD)).valid
        assert ("POST", "/chat/completions") in server.asked


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (of({}, 500), "The provider answers with HTTP 500."),
        (of({}, 429), "The provider takes no more requests with this key at present (HTTP 429)."),
        (lambda: PlainTextResponse("hello"), "What answers is no provider of models."),
        (of([1]), "What answers is no provider of models."),
        (lambda: RedirectResponse("http://127.0.0.1:9/"), "The provider answers with HTTP 307."),
    ],
)
async def test_what_is_wrong_is_told_without_what_the_other_side_says(
    reply: Callable[[], Response], error: str
) -> None:
    tried = await Provider({"/models": reply}, "authorization", "Bearer ").tried("openai")
    assert (tried.valid, tried.error) == (False, error)


async def test_a_private_address_is_not_asked() -> None:
    server = Provider({"/models": of({"data": []})}, "authorization", "Bearer ")
    tried = await server.tried("openai", settings=Settings())
    assert not tried.valid and "not a public address" in (tried.error or "") and server.asked == []
