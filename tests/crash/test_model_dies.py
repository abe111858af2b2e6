"""The worker is killed (-9) while a model writes: another one asks again, and the client drops the half text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from crash.site import SOON, Site
from graphs import node, sequence
from servers.openai_server import OpenAIServer, gated, text

from cairn.contracts.json import JsonObject

STORY = "Once upon a time there was a rope."


async def tokens(site: Site, execution_id: str) -> AsyncIterator[tuple[str, JsonObject]]:
    """Yield the text that a client shows, and the data of the token that changed it."""
    shown = ""
    path = f"/api/v1/executions/{execution_id}/events"
    async with site.caller.http.stream("GET", path) as reply:
        async for line in reply.aiter_lines():
            event = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if event.get("type") == "token":
                shown = ("" if event["data"].get("restart") else shown) + event["data"]["text"]
                yield shown, event["data"]


@pytest.mark.timeout(180)
async def test_the_text_of_a_dead_worker_is_void(site: Site, model: OpenAIServer) -> None:
    gate = asyncio.Event()
    model.will(gated(STORY, gate, after=4), text(STORY))
    execution = await site.start(sequence(node("a", "agent", prompt="Tell a story", model="openai:gpt-4o")))
    shown: list[str] = []
    attempts: list[int] = []
    async with asyncio.timeout(2 * SOON):
        async for now, data in tokens(site, execution):
            shown.append(now)
            attempts.append(data["attempt"])
            if now == "Once upon a " and not gate.is_set():
                await site.worker.kill()
                gate.set()
                await site.restart(site.worker)
    assert "Once upon a " in shown and shown[-1] == STORY
    assert sorted(set(attempts)) == [1, 2]
    assert "" in shown, "the half text goes before the next try has a word"
    assert len(model.requests) == 2
    await site.reach(execution, "completed")
