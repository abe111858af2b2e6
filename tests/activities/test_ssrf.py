"""Requests to hosts that callers name never reach this machine or its network, whoever sends them."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from calls import node_call, run
from servers.listen import serve_raw
from servers.names import resolve_to
from temporalio.exceptions import ApplicationError

from activities.http import HttpActivities
from activities.llm import AgentActivities
from activities.requests import RequestActivities, _checked
from cairn.domain.credentials import CredentialHeaders, Sealer
from cairn.domain.llm import BYO_PROVIDERS
from cairn.domain.llm.service import try_key
from cairn.domain.tools import ToolContext, ToolError, ToolRegistry
from cairn.domain.tools.authored.definition import HttpApiConfig
from cairn.domain.tools.authored.request import HttpRequests
from cairn.errors import InvalidInput
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import RequestRow
from cairn.providers.http import AddressRefused
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings

NO_CREDENTIALS = CredentialHeaders(Database(create_engine("sqlite+aiosqlite:///none.db")), Sealer([("k", bytes(32))]))
REFUSED = {"address_refused", "invalid_request", "connection_error", "HTTPError", "InvalidURL"}

HERE = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://127.1:{port}/",
    "http://127.255.255.254:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://public.example@127.0.0.1:{port}/",
    "http://public.example:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@public.example/",
    "http://127.0.0.1:{port}?@public.example/",
    "http://127.0.0.1:{port}\\@public.example/",
    "http://public.example\\@127.0.0.1:{port}/",
    "http://\t127.0.0.1:{port}/",
    "http:////127.0.0.1:{port}/",
]
METADATA = [
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://168.63.129.16/machine",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/latest/meta-data/",
    "http://[fec0::1]/latest/meta-data/",
]
OTHER_SCHEMES = ["file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x", "unix:///run/x.sock"]

PUBLIC = "127.0.0.2"
"""Stands for a public address: no other can be listened on here."""

Fetch = Callable[[str, bool], Awaitable[str]]


async def by_node(url: str, private: bool) -> str:
    activity = HttpActivities(Settings(http_allow_private=private), NO_CREDENTIALS).http_request
    try:
        return str((await run(activity, node_call(url=url, timeout=3))).value)
    except ApplicationError as error:
        return str(error.type)


async def by_tool(url: str, private: bool) -> str:
    try:
        config = HttpApiConfig(method="POST", url=url, timeout_ms=3000)
    except ValueError:
        return "invalid_request"
    requests = HttpRequests(Settings(http_allow_private=private), NO_CREDENTIALS)
    try:
        return str(await requests.send(config, {}, {}, ToolContext("key-1", "e1", "acme", True, "n1", 1, "l1")))
    except ToolError as error:
        return str(error.code)


async def by_notification(url: str, private: bool) -> str:
    nobody, tools = cast(Any, None), cast(Any, ())
    row = RequestRow(
        id="appr_1", tenant="acme", live=True, kind="approval", execution_id="e1", temporal_id="e1", run_id="r1",
        lineage="r1", node_id="n", visit=1, prompt="May I?", requested_at=datetime.now(UTC),
    )  # fmt: skip
    try:
        with tempfile.TemporaryDirectory() as home:
            settings = Settings(http_allow_private=private, home=Path(home))
            return str(await RequestActivities(settings, nobody, nobody, tools)._post(row, _checked(url), ()))
    except AddressRefused:
        return "address_refused"
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return "InvalidURL" if isinstance(error, httpx2.InvalidURL) else "HTTPError"


async def by_model(provider: str, url: str, private: bool) -> str:
    models = LanguageModels(Settings(http_allow_private=private))
    own = {"api_key": "k-123", "endpoint": url}
    call = node_call(prompt="p", model=f"{provider}:m", own=own, timeout=3)
    try:
        return str((await run(AgentActivities(models, ToolRegistry()).run_agent, call)).value)
    except ApplicationError as error:
        # The library of a provider may refuse what is no URL in its own way, before anything is sent.
        return "invalid_request" if error.type in ("agent_error", "model_config") else str(error.type)


async def by_trial_of_a_key(provider: str, url: str, private: bool) -> str:
    try:
        tried = await try_key(provider, "k-123", url, Settings(http_allow_private=private))
    except InvalidInput as error:
        said = error.errors[0].message
    else:
        said = str(tried.error)
    meant = {
        "not a public address": "address_refused",
        "cannot be reached": "connection_error",
        "has to be": "invalid_request",
        "is no URL": "invalid_request",
    }
    return next((code for words, code in meant.items() if words in said), said)


SENDERS: dict[str, Fetch] = {
    "node": by_node,
    "tool": by_tool,
    "notification": by_notification,
    **{f"model of {each}": partial(by_model, each) for each in BYO_PROVIDERS},
    **{f"trial of a key of {each}": partial(by_trial_of_a_key, each) for each in BYO_PROVIDERS},
}


@pytest.fixture(params=SENDERS)
def fetch(request: pytest.FixtureRequest) -> Fetch:
    return SENDERS[request.param]


@pytest.fixture
def asks(request: pytest.FixtureRequest) -> int:
    """How many requests the sender makes: OpenRouter lists its models for any key, so a trial asks of the key first."""
    return 2 if request.node.callspec.params["fetch"] == "trial of a key of openrouter" else 1


class Canary:
    """Listens on this machine, and knows to which of its addresses they came."""

    def __init__(self) -> None:
        self.port = 0
        self.visited: list[str] = []

    @property
    def visits(self) -> int:
        return len(self.visited)

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visited.append(writer.get_extra_info("sockname")[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        writer.close()


@pytest.fixture
async def canary() -> AsyncGenerator[Canary]:
    made = Canary()
    async with AsyncExitStack() as servers:
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            listener = socket.socket(family)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind((host, made.port))
            except OSError:  # no IPv6 here
                listener.close()
                continue
            made.port = listener.getsockname()[1]
            await servers.enter_async_context(await asyncio.start_server(made.hear, sock=listener))
        yield made


async def test_the_canary_hears_who_is_allowed(canary: Canary, fetch: Fetch, asks: int) -> None:
    await fetch(f"http://127.0.0.1:{canary.port}/", True)
    assert canary.visits == asks


async def test_no_way_to_write_an_address_leads_here(canary: Canary, fetch: Fetch) -> None:
    for url in (*HERE, *OTHER_SCHEMES):
        assert await fetch(url.format(port=canary.port), False) in REFUSED, url
        assert canary.visits == 0, url


async def test_no_metadata_service_is_asked(fetch: Fetch) -> None:
    """Nobody answers there in a test: that it was not reached says nothing, only that it was refused."""
    for url in METADATA:
        assert await fetch(url, False) == "address_refused", url


async def test_a_name_that_means_this_machine_leads_nowhere_whenever_it_is_asked(
    canary: Canary, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolve_to(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    for _ in range(2):
        assert await fetch(f"http://rebind.test:{canary.port}/", False) == "address_refused"
    assert (len(asked), canary.visits) == (2, 0)


@pytest.mark.parametrize("times", [1, 2, 99])
async def test_a_name_that_was_public_when_it_was_asked_leads_nowhere_else(
    canary: Canary, fetch: Fetch, asks: int, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """So many times it is at what stands for a public address, from then on here."""
    asked = resolve_to(monkeypatch, *[[PUBLIC]] * times, ["127.0.0.1"])
    monkeypatch.setattr("cairn.providers.http.is_public", lambda address: address == PUBLIC)
    for _ in range(2):
        await fetch(f"http://rebind.test:{canary.port}/", False)
    assert set(canary.visited) <= {PUBLIC}
    assert len(asked) >= 2 and (canary.visits == 2 * asks or times < 99)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(canary: Canary, fetch: Fetch, status: int) -> None:
    reply = f"HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:{canary.port}/\r\ncontent-length: 0\r\n\r\n"
    async with serve_raw(reply.encode()) as url:
        await fetch(url, True)
    assert canary.visits == 0
