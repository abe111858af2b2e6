"""The clients: each starts executions and commands them at random, and writes down what it asked and heard."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import httpx2
from temporalio.service import RPCError, RPCStatusCode

from cairn.contracts.json import JsonObject
from chaos.faults import Storm
from chaos.graphs import GRAPHS, LATER, calling, telling
from chaos.installation import Installation
from chaos.records import RESETS, Asked, Shown

_API = "/api/v1/executions"
_CHOICES = {
    "running": {"pause": 5, "replay": 2, "rollback": 3, "fork": 1, "cancel": 1, "terminate": 1},
    "paused": {"resume": 5, "replay": 2, "rollback": 3, "fork": 1, "cancel": 1, "migrate": 2},
    "completed": {"replay": 3, "rollback": 2, "fork": 1},
    "failed": {"replay": 3, "rollback": 2},
    "cancelled": {"replay": 2, "rollback": 1},
}


async def publish(site: Installation) -> dict[str, str]:
    """Publish the graphs; return their ids by name."""
    async with httpx2.AsyncClient(base_url=site.urls[0], headers={"X-API-Key": site.key}, timeout=30) as http:
        found: dict[str, str] = {}
        for name, definition in GRAPHS.items():
            found[name] = await _publish(http, name, definition)
        for name, definition in LATER.items():
            await _publish_next(http, found[name], definition)
        found["told"] = await _publish(http, "told", telling(site.told_url))
        found["outer"] = await _publish(http, "outer", calling(found["inner"]))
        return found


async def _publish(http: httpx2.AsyncClient, name: str, definition: JsonObject) -> str:
    reply = await http.post("/api/v1/workflow/create/definition", json={"name": name, "definition": definition})
    assert reply.status_code == 200 and not reply.json()["errors"], reply.text
    return str(reply.json()["uuid"])


async def _publish_next(http: httpx2.AsyncClient, workflow_id: str, definition: JsonObject) -> None:
    path = f"/api/v1/workflow/{workflow_id}"
    for reply in (await http.put(path, json={"definition": definition}), await http.post(f"{path}/publish")):
        assert reply.status_code == 200, reply.text


@dataclass
class Actor:
    """One client, with a chance of its own."""

    name: str
    site: Installation
    storm: Storm
    graphs: dict[str, str]
    seed: int
    asked: list[Asked] = field(default_factory=list[Asked])
    _answered: list[tuple[Asked, str, JsonObject, str, tuple[int, Any]]] = field(
        default_factory=list[tuple[Asked, str, JsonObject, str, tuple[int, Any]]], init=False
    )

    def __post_init__(self) -> None:
        self._chance = random.Random(f"{self.seed}/{self.name}")
        self._agreed: set[str] = set()
        self._reads = Asked("read", self.name, tries=1, status=200)
        self.asked.append(self._reads)

    @property
    def answered(self) -> int:
        """How many of its requests were answered."""
        return sum(asked.status is not None for asked in self.asked if asked is not self._reads)

    async def run(self) -> None:
        """Work as long as the storm rages, and bring the last execution to rest."""
        headers = {"X-API-Key": self.site.key}
        clients = [httpx2.AsyncClient(base_url=url, headers=headers, timeout=40) for url in self.site.urls]
        self._clients = clients
        try:
            number = 0
            while self.storm.rages:
                number += 1
                await self._live(f"{self.name}-{number}")
        finally:
            for client in clients:
                await client.aclose()

    async def _live(self, tag: str) -> None:
        """Start an execution and see it to its rest."""
        graph = self._chance.choice(list(self.graphs))
        body: JsonObject = {"workflow_id": self.graphs[graph], "input_data": {"gate": tag}, "metadata": {"tag": tag}}
        start = Asked("start", tag)
        answer = await self._ask(start, _API, body)
        if answer is None or not start.done:
            return
        execution_id = start.execution_id = str(answer["id"])
        for _ in range(self._chance.randrange(5)):
            await asyncio.sleep(self._chance.uniform(0.0, 2.0))
            if self.storm.rages:
                await self._command(tag, execution_id)
                await self._ask_late()
        await self._rest(tag, execution_id)

    async def _command(self, tag: str, execution_id: str) -> None:
        now, checkpoints = await self._see(execution_id)
        if now is None:
            return
        choices = _CHOICES[now.status]
        kind = self._chance.choices(list(choices), list(choices.values()))[0]
        if kind == "fork":
            await self._fork(tag, execution_id, checkpoints)
        else:
            await self._do(kind, tag, execution_id, now, checkpoints)

    async def _fork(self, tag: str, execution_id: str, checkpoints: list[dict[str, Any]]) -> None:
        """Start another execution from a checkpoint, and see it to its rest."""
        asked = Asked("fork", f"{tag}-fork{len(self.asked)}")
        body: JsonObject = {
            "checkpoint_id": self._chance.choice(checkpoints)["id"],
            "metadata": {"tag": asked.tag},
        }
        answer = await self._ask(asked, f"{_API}/{execution_id}/fork", body)
        if answer is not None and asked.done:
            asked.execution_id = str(answer["id"])
            await self._rest(asked.tag, asked.execution_id)

    async def _give(self, tag: str, execution_id: str, now: Shown, checkpoints: list[dict[str, Any]]) -> None:
        """Give what an execution may wait for: an event, and answers of people."""
        await self._tell(tag, execution_id)
        try:
            http = self._chance.choice(self._clients)
            reply = await http.get("/api/v1/questions/pending", params={"execution_id": execution_id})
        except httpx2.HTTPError:
            return
        for question in reply.json()["questions"] if reply.status_code == 200 else []:
            path = f"/api/v1/questions/{question['id']}/respond"
            await self._do("answer", tag, execution_id, now, checkpoints, path, {"answer": "yes"})
            return
        # Approvals are given by whoever was told of them and by nobody else.
        known = {each.request_id for each in self.site.outside.deliveries if each.execution_id == execution_id}
        for request in sorted(known - self._agreed):
            path = f"/api/v1/approvals/{request}/respond"
            await self._do("answer", tag, execution_id, now, checkpoints, path, {"decision": "approved"})
            if self.asked[-1].status is not None:
                self._agreed.add(request)
            return

    async def _tell(self, tag: str, execution_id: str) -> None:
        """Tell an execution of an event, in three cases of ten of one again, by a request of its own."""
        told = [asked.event for asked in self.asked if asked.event and asked.execution_id == execution_id]
        again = bool(told) and self._chance.random() < 0.3
        event = self._chance.choice(told) if again else f"{tag}-event{len(self.asked)}"
        asked = Asked("event", tag, execution_id, event=event)
        body: JsonObject = {"name": "go", "event_id": event, "payload": {"key": event}}
        await self._ask(asked, f"{_API}/{execution_id}/events", body)

    async def _do(
        self,
        kind: str,
        tag: str,
        execution_id: str,
        now: Shown,
        checkpoints: list[dict[str, Any]],
        path: str = "",
        body: JsonObject | None = None,
    ) -> None:
        asked = Asked(kind, tag, execution_id, before=now)
        path, body = path or f"{_API}/{execution_id}/{kind}", body or {}
        if kind in RESETS:
            targets = [number for number, c in enumerate(checkpoints) if c["resettable"]]
            if not targets:
                return
            target = self._chance.choice(targets)
            more: JsonObject = {"force": True} if kind == "replay" else {"reuse_completed": False}
            body = {"checkpoint_id": checkpoints[target]["id"], **more}
            while target + 1 < len(checkpoints) and checkpoints[target + 1]["shared"]:
                target += 1  # it was seen by the same workflow task, so a reset cannot part them
            asked.kept = tuple(c["id"] for c in checkpoints[: target + 1])
        if kind == "migrate":
            body = {"version": self._chance.choice([1, 2])}
        if kind == "terminate":
            await self._terminate(asked, execution_id)
        else:
            await self._ask(asked, path, body)
        asked.after, _ = await self._see(execution_id)

    async def _rest(self, tag: str, execution_id: str) -> None:
        """Let the execution go on until it has ended, or leave it paused; open what blocks it, or leave it failed."""
        while not self.storm.is_long_over:
            now, checkpoints = await self._see(execution_id)
            if now is None:
                continue
            if now.status == "running":
                if self._chance.random() < 0.3:
                    await self._give(tag, execution_id, now, checkpoints)
                await asyncio.sleep(0.3)
            elif now.status == "paused" and self._chance.random() < 0.8:
                await self._do("resume", tag, execution_id, now, checkpoints)
            elif now.status == "failed" and self._chance.random() < 0.7:
                self.site.ledger.open(tag)
                await self._do("replay", tag, execution_id, now, checkpoints)
            else:
                return

    async def _ask(self, asked: Asked, path: str, body: JsonObject) -> dict[str, Any] | None:
        """Send a request, perhaps twice at once, until it is answered; return the answer."""
        self.asked.append(asked)
        key = f"{asked.tag}-{len(self.asked)}"
        times = 2 if self._chance.random() < 0.15 else 1
        replies = await asyncio.gather(*(self._answer(asked, path, body, key) for _ in range(times)))
        answers = [(r.status_code, r.json()) for r in replies if r is not None]
        if not answers:
            return None
        if any(answer != answers[0] for answer in answers):
            asked.faults.append(f"the same request got different answers: {answers}")
        status, answer = answers[0]
        asked.status, asked.code = status, answer.get("code")
        if asked.done:
            self._answered.append((asked, path, body, key, answers[0]))
        return answer

    async def _ask_late(self) -> None:
        """Send a request again that was acknowledged: a retry that others have overtaken on the way."""
        if not self._answered or self._chance.random() > 0.3:
            return
        asked, path, body, key, first = self._chance.choice(self._answered)
        reply = await self._answer(asked, path, body, key)
        asked.late += 1
        if reply is not None and (reply.status_code, reply.json()) != first:
            asked.faults.append(f"a late retry got another answer: {first} and {(reply.status_code, reply.json())}")

    async def _answer(self, asked: Asked, path: str, body: JsonObject, key: str) -> httpx2.Response | None:
        while not self.storm.is_long_over:
            asked.tries += 1
            try:
                http = self._chance.choice(self._clients)
                reply = await http.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx2.HTTPError:
                await asyncio.sleep(0.2)
                continue
            if not await self._is_to_be_sent_again(asked, reply):
                return reply
        return None

    async def _is_to_be_sent_again(self, asked: Asked, reply: httpx2.Response) -> bool:
        if reply.status_code == 409 and "Retry-After" in reply.headers:
            await asyncio.sleep(0.3)
            return True
        if reply.status_code < 500:
            return False
        if reply.status_code != 503 or "Retry-After" not in reply.headers:
            asked.faults.append(f"{reply.status_code} {reply.text[:200]}")
        await asyncio.sleep(0.5)
        return True

    async def _see(self, execution_id: str) -> tuple[Shown | None, list[dict[str, Any]]]:
        """Read the execution until that is answered."""
        while not self.storm.is_long_over:
            try:
                reply = await self._chance.choice(self._clients).get(f"{_API}/{execution_id}")
            except httpx2.HTTPError:
                await asyncio.sleep(0.2)
                continue
            if reply.status_code == 200 and reply.json()["temporal"]["run_id"] is not None:
                found = reply.json()
                return shown(found), found["checkpoints"]
            if reply.status_code != 200 and not await self._is_to_be_sent_again(self._reads, reply):
                self._reads.faults.append(f"{execution_id}: {reply.status_code} {reply.text[:200]}")
            await asyncio.sleep(0.1)
        return None, []

    async def _terminate(self, asked: Asked, execution_id: str) -> None:
        """End the execution as an operator does in the Web UI."""
        self.asked.append(asked)
        handle = self.site.client.get_workflow_handle(execution_id)
        while not self.storm.is_long_over:
            asked.tries += 1
            try:
                async with asyncio.timeout(5):
                    await handle.terminate("by the operator")
                asked.status = 200
                return
            except (TimeoutError, RPCError) as error:
                if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
                    asked.status, asked.code = 409, "closed"
                    return
                await asyncio.sleep(0.3)


def shown(found: dict[str, Any]) -> Shown:
    """Return what the API shows of an execution."""
    error, checkpoints = found["error"], found.get("checkpoints")
    return Shown(
        status=found["status"],
        revision=found["revision"],
        detail=found["status_detail"],
        output=found["output_data"],
        error=error["code"] if error else None,
        run_id=found["temporal"]["run_id"],
        checkpoints=None if checkpoints is None else tuple(c["id"] for c in checkpoints),
    )
