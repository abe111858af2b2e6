"""The worker is killed (-9) in the middle of a turn of a call: the caller is answered, once, and the call goes on."""

from __future__ import annotations

import asyncio

import pytest
from crash.site import SOON, Site
from phone import pizzeria
from servers.openai_server import OpenAIServer, gated, text

from chaos.programs import until


@pytest.mark.timeout(180)
async def test_a_turn_whose_worker_dies_ends_right_and_once(site: Site, model: OpenAIServer) -> None:
    gate = asyncio.Event()
    model.will(gated("An answer that is lost", gate, after=2), text("What would you like?"))
    execution = await site.start(pizzeria())

    async def spoken() -> bool:
        reply = await site.post(f"/executions/{execution}/events", {"name": "utterance", "payload": {"text": "Hello?"}})
        return reply.status_code == 202

    await until(spoken, SOON, "the caller speaking")
    await until(lambda: model.requests, SOON, "the model being asked")
    await site.worker.kill()
    gate.set()
    await site.restart(site.worker)
    # Nobody speaks any more, and so the call ends by itself: with what was said until then.
    done = await site.reach(execution, "completed", 2 * SOON)
    assert [(line["role"], line["text"]) for line in done["call"]["transcript"]] == [
        ("agent", "Welcome to the pizzeria, dear guest!"),
        ("caller", "Hello?"),
        ("agent", "What would you like?"),
    ]
    assert done["call"]["disposition"] == "user_idle_max_duration_exceeded"
    assert [checkpoint["name"] for checkpoint in done["checkpoints"]] == ["start", "turn 1"]
    assert len(model.requests) == 2
