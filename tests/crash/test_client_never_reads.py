"""Clients that open a stream and never read: the API keeps next to nothing for them, and lets go of them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import urlsplit

import psutil
import pytest
from agentflow_agents import make
from chatting import events, shown
from crash.site import SOON, Site
from servers.openai_server import OpenAIServer, gated

from cairn.contracts.json import JsonObject
from chaos.programs import until

WORDS = 2000
STORY = " ".join(f"{number:03}{'x' * 4000}" for number in range(WORDS))
STUCK = 60
"""Twice as many as the API has connections to the database."""


@pytest.fixture
async def impatient(site: Site) -> AsyncIterator[Site]:
    before = site.api.environment
    site.api.environment = {**before, "CAIRN_STREAM_PATIENCE": "5"}
    await site.api.stop()
    await site.up()
    yield site
    site.api.environment = before
    await site.api.stop()


def open_and_leave(site: Site, path: str, body: JsonObject) -> socket.socket:
    """Send a request, and read no more than the beginning of what comes of it: then the stream is under way."""
    at = urlsplit(str(site.caller.http.base_url))
    sent = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {at.netloc}\r\nX-API-Key: {site.caller.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect((at.hostname, at.port))
    made.sendall(head.encode() + sent)
    made.settimeout(SOON)
    begun = b""
    while b'"delta"' not in begun:
        begun += made.recv(256)
    return made


@pytest.mark.timeout(300)
async def test_clients_that_never_read_hurt_nobody(impatient: Site, model: OpenAIServer) -> None:
    site, api = impatient, psutil.Process(impatient.api.pid)
    agent = (await make(site.caller, model="openai:gpt-4o"))["id"]
    body: JsonObject = {"message": "Tell a story", "message_id": f"m-{agent}"}
    at_once, gate = asyncio.Event(), asyncio.Event()
    at_once.set()
    model.will(gated(STORY, at_once, after=2), gated(STORY, gate, after=2))
    # What one such turn costs the API by itself is no matter of those who do not read.
    assert shown([each async for each in events(site.caller, agent, {**body, "message_id": "m-read"})]) == STORY
    stuck: list[socket.socket] = []
    found: list[JsonObject] = []
    try:
        async with asyncio.timeout(4 * SOON):
            async for event in events(site.caller, agent, body):
                found.append(event)
                if event["type"] == "delta" and not stuck:
                    path = f"/api/v1/agent/{agent}/chat"
                    stuck += [await asyncio.to_thread(open_and_leave, site, path, body) for _ in range(STUCK)]
                    ports = {each.getsockname()[1] for each in stuck}
                    await until(partial(all_open, api, ports), SOON, "streams that nobody reads")
                    before = api.memory_info().rss
                    gate.set()
        grown = api.memory_info().rss - before
        assert shown(found) == STORY and found[-1]["type"] == "end"
        assert grown < STUCK * len(STORY) / 2, f"{grown / 1e6:.0f} MB"
        assert (await site.caller.get(found[0]["call_id"]))["status"] == "completed"
        await until(lambda: not open_to(api, ports), SOON, "the end of the streams that nobody reads")
    finally:
        for each in stuck:
            each.close()


def all_open(api: psutil.Process, ports: set[int]) -> bool:
    return open_to(api, ports) == ports


def open_to(api: psutil.Process, ports: set[int]) -> set[int]:
    """Return to which of the ports the API has connections."""
    return {each.raddr.port for each in api.net_connections("tcp") if each.raddr} & ports
