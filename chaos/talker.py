"""Clients that talk with an agent: each message is a turn, told whole or by pieces, and sent again until answered.

Every second message has the agent use a tool, whose effect is in the ledger as those of graphs are.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, TypeAlias

import httpx2

from cairn.contracts.json import JsonObject
from chaos.driver import Actor
from chaos.installation import Installation
from chaos.outside import TOOL
from chaos.records import SAID, Asked, Talk

AGENT = "talker"
"""The agent's place among the graphs."""

_API = "/api/v1"
_TURN_FAILED = 502
_BUSY = "turn_running"

Ended: TypeAlias = tuple[int, str | None, str | None]
"""How a turn ended: status, execution, text."""

_FAILED: Ended = (_TURN_FAILED, None, None)


async def make_agent(site: Installation) -> str:
    """Make the agent that they talk with; return its id."""
    async with httpx2.AsyncClient(base_url=site.urls[0], headers={"X-API-Key": site.key}, timeout=30) as http:
        reply = await http.post(f"{_API}/agents", json={"name": "talker", "model": "openai:chaos", "tools": [TOOL]})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


class Talker(Actor):
    """One client that has conversations, one after the other.

    Attributes:
        talks: what was said in each.
    """

    talks: list[Talk]

    def __post_init__(self) -> None:
        """Begin with no conversation."""
        super().__post_init__()
        self.talks = []

    async def _live(self, tag: str) -> None:
        """Have a conversation of some messages."""
        begun = await self._ask(
            Asked("talk", tag), f"{_API}/conversations", {"agent_id": self.graphs[AGENT], "title": tag}
        )
        if begun is None or "id" not in begun:
            return
        talk = Talk(str(begun["id"]))
        self.talks.append(talk)
        for number in range(1, self._chance.randrange(2, 6)):
            if not self.storm.rages:
                return
            await self._say(talk, f"{tag}-{number}")
            await asyncio.sleep(self._chance.uniform(0.0, 1.0))

    async def _say(self, talk: Talk, tag: str) -> None:
        """Say something, perhaps twice at once, until it is answered."""
        asked = Asked("say", tag)
        self.asked.append(asked)
        talk.said.append(asked)
        body: JsonObject = {
            "message": tag,
            "message_id": tag,
            "conversation_id": talk.conversation_id,
            "metadata": {"tag": tag},
        }
        times = 2 if self._chance.random() < 0.15 else 1
        answers = await asyncio.gather(*(self._told(talk, asked, body) for _ in range(times)))
        known = [each for each in answers if each is not None]
        if not known:
            return
        if any(each != known[0] for each in known):
            asked.faults.append(f"the same message got different answers: {known}")
        asked.status, asked.execution_id, text = known[0]
        if asked.done and text != SAID:
            asked.faults.append(f"a turn was told as {text!r}")

    async def _told(self, talk: Talk, asked: Asked, body: JsonObject) -> Ended | None:
        """Return how the turn ended, once it has; whole, or by pieces from where the reader was cut off."""
        path = f"{_API}/agent/{self.graphs[AGENT]}/chat"
        streamed = self._chance.random() < 0.5
        events: list[dict[str, Any]] = []
        while not self.storm.is_long_over:
            asked.tries += 1
            talk.resumed += bool(events)
            http = self._chance.choice(self._clients)
            try:
                reply = await _follow(http, path, body, events) if streamed else await _whole(http, path, body)
            except httpx2.HTTPError:
                reply = None
            if not isinstance(reply, httpx2.Response | None):
                asked.faults += _doubled(events)
                return reply
            if reply is None or (reply.status_code == 409 and reply.json()["code"] == _BUSY):
                await asyncio.sleep(0.3)
            elif not await self._is_to_be_sent_again(asked, reply):
                asked.code = reply.json()["code"]
                return reply.status_code, None, None
        return None


async def _whole(http: httpx2.AsyncClient, path: str, body: JsonObject) -> Ended | httpx2.Response:
    """Wait for the turn's end; return how it ended, or the refusal."""
    reply = await http.post(path, json={**body, "stream": False})
    if reply.status_code == _TURN_FAILED:
        return _FAILED
    if reply.status_code != 200:
        return reply
    told = reply.json()
    return 200, str(told["execution_id"]), told["content"].strip()


async def _follow(
    http: httpx2.AsyncClient, path: str, body: JsonObject, events: list[dict[str, Any]]
) -> Ended | httpx2.Response | None:
    """Read a turn's events on from those that came; return how it ended, or the refusal; None: the stream broke off."""
    headers = {"Last-Event-ID": str(events[-1]["seq"])} if events else {}
    async with http.stream("POST", path, json={**body, "stream": True}, headers=headers) as reply:
        if reply.status_code != 200:
            await reply.aread()
            return reply
        async for line in reply.aiter_lines():
            if line.startswith("data:"):
                events.append(json.loads(line.removeprefix("data:")))
                if events[-1]["parent_call_id"] is None and events[-1]["type"] == "error":
                    return _FAILED
                if events[-1]["parent_call_id"] is None and events[-1]["type"] == "end":
                    return 200, str(events[0]["root_call_id"]), _text(events).strip()
    return None


def _doubled(events: list[dict[str, Any]]) -> list[str]:
    """Return the events that do not come after the one before them, as a reader who goes on is promised."""
    pairs = itertools.pairwise(each["seq"] for each in events)
    return [f"event {after} was told after event {before}" for before, after in pairs if after <= before]


def _text(events: list[dict[str, Any]]) -> str:
    """Return what a client shows: a start voids what its call has told, a reset what came after a place."""
    shown: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "delta":
            shown.append(event)
        elif event["type"] == "restart" and "void_after" in event["content"]:
            shown = [each for each in shown if each["seq"] <= event["content"]["void_after"]]
        elif event["type"] in ("start", "restart"):
            shown = [each for each in shown if each["call_id"] != event["call_id"]]
    return "".join(each["content"] for each in shown)
