"""The worker's own life."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import psutil
from graphs import node, sequence
from installation import Cairn
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, text


def connections(url: str) -> int:
    """Return how many connections of this process to a server are open."""
    port = urlsplit(url).port
    found = psutil.Process(os.getpid()).net_connections("tcp")
    return sum(c.status == psutil.CONN_ESTABLISHED and bool(c.raddr) and c.raddr.port == port for c in found)


async def test_it_closes_in_the_end_what_activities_opened(idle_cairn: Cairn, world) -> None:
    async with OpenAIServer.running() as server:
        server.will(text("done"))
        told = {"openai_base_url": server.url, "openai_api_key": SecretStr(KEY)}
        cairn = Cairn(idle_cairn.settings.model_copy(update=told), idle_cairn.database, idle_cairn.client)
        async with cairn.worker():
            asked = await cairn.run(sequence(node("ask", "agent", model="openai:gpt-4o", prompt="'Hello'")))
            await cairn.reach(asked.id, "completed")
            assert connections(server.url) == 1
        assert connections(server.url) == 0
