"""One installation of real processes for all tests here; each finds it whole."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from crash.site import Site
from graphs import node, sequence
from servers.openai_server import KEY, OpenAIServer

from cairn.contracts.json import JsonObject


@pytest.fixture(scope="session")
async def _site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    site = Site(tmp_path_factory.mktemp("crash"))
    try:
        await site.open()
        yield site
    finally:
        await site.close()


@pytest.fixture
async def site(_site: Site) -> Site:
    for program in (_site.temporal, _site.api, _site.worker):
        if program.prepare is not None:
            await program.stop()
            program.prepare = None
    await _site.up()
    return _site


@pytest.fixture
async def model(site: Site) -> AsyncIterator[OpenAIServer]:
    """A model that the site's worker asks, also where none is named."""
    before = site.worker.environment
    async with OpenAIServer.running() as server:
        asked = {"CAIRN_OPENAI_BASE_URL": server.url, "CAIRN_OPENAI_API_KEY": KEY}
        site.worker.environment = {**before, **asked, "CAIRN_DEFAULT_MODEL": "openai:gpt-4o"}
        await site.worker.stop()
        site.worker.start()
        yield server
        await site.worker.stop()
        site.worker.environment = before


def spending(name: str, seconds: float = 0.0) -> JsonObject:
    return node(name, "tool", tool="spend", arguments={"name": f"'{name}'", "seconds": str(seconds)})


def holding(name: str, gate: str) -> JsonObject:
    return node(name, "tool", tool="hold", arguments={"name": f"'{name}'", "gate": f"'{gate}'"})


@pytest.fixture(scope="session")
async def abc(_site: Site) -> str:
    """A published graph of three nodes, each of which has an effect."""
    return (await _site.caller.publish(sequence(spending("a"), spending("b"), spending("c"))))["uuid"]
