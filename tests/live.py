"""Random programs on a live installation, commands at random moments, and what has to be true of them in the end."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from installation import Cairn, until
from programs import ITEMS, SUBGRAPH, Block, Model, definition_of, value_of
from servers.openai_server import answer, tool_calls
from starlette.responses import Response
from system_tools import World

from cairn.contracts.executions import Phase
from cairn.contracts.json import JsonObject
from cairn.domain.executions.fork import fork
from cairn.domain.executions.model import Execution, ForkExecution
from cairn.domain.executions.outside import Event, send_event
from cairn.domain.requests.model import Reply, RequestFilter
from cairn.domain.requests.service import RequestService
from cairn.errors import Conflict, Gone, NotFound, Unavailable
from cairn.graph.state import Wait
from cairn.temporal.checkpoints import Snapshot
from cairn.temporal.executions import Description

LONG = 240.0
"""Seconds in which a program has to end, on a busy machine."""
ENDS = ("completed", "failed", "cancelled")
REFUSED = (Conflict, Gone, NotFound, Unavailable)
"""What a command may meet that comes at an unlucky moment."""
_GIVEN = {"tool", "talking", "subgraph"}


def model_reply(body: dict[str, Any]) -> Response:
    """Answer as the model of every program: agents give the number of their node's visit, judges always the same."""
    said = next(str(m["content"]) for m in body["messages"] if m["role"] == "user")
    asked = re.fullmatch(r"(\w+) (\d+)", said)
    if asked is None:
        return answer({"criterion_1": {"reason": "It is there.", "score": 3}})(body)
    node, visit = asked[1], int(asked[2])
    names = [tool["function"]["name"] for tool in body["tools"]]
    if "give" in names and not any(m["role"] == "tool" for m in body["messages"]):
        return tool_calls(("give", {"node": node, "visit": visit}))(body)
    return answer({"value": value_of(node, visit)})(body)


@asynccontextmanager
async def workers(cairn: Cairn, chance: random.Random) -> AsyncGenerator[None]:
    """Have a worker that is stopped and started at random, sometimes with none for a while; in the end there is one."""
    stop = asyncio.Event()

    async def restarts() -> None:
        while not stop.is_set():
            async with cairn.worker():
                await asyncio.wait([ended], timeout=chance.uniform(2, 8))
            await asyncio.wait([ended], timeout=chance.choice([0, 0.5]))

    ended = asyncio.create_task(stop.wait())
    task = asyncio.create_task(restarts())
    try:
        yield
    finally:
        stop.set()
        await task


@dataclass
class LiveProgram:
    """One program and its executions: the first, and those forked from it.

    Attributes:
        prefix: of its nodes' ids, so that its effects are told from those of others.
        told: what was done to it, to be read by people.
        seen: states at checkpoints, as they were read on the way.
        leave: executions that stay cancelled.
    """

    cairn: Cairn
    program: Block
    seed: int
    prefix: str
    told: list[str] = field(default_factory=list)
    executions: list[str] = field(default_factory=list)
    seen: dict[str, Snapshot] = field(default_factory=dict)
    leave: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.expected = Model(self.program, self.prefix).outcome
        self.early = [(node, visit) for kind, node, visit in self.expected.effects if kind == "event"]

    def __str__(self) -> str:
        return "\n".join([f"(({self.program!r}), {self.seed}),", *self.told])

    async def run(self, other: str, world: World) -> None:
        """Run it with commands at random moments, then to its end, and look at what came of it."""
        try:
            definition = definition_of(self.program, self.prefix, other)
            execution = await self.cairn.start(await until(lambda: self._published(definition), LONG))
            self.executions.append(execution.id)
            for _ in range(self.chance.randint(2, 9)):
                await asyncio.sleep(self.chance.uniform(0, 0.5))
                await self._something(self.chance.choice(self.executions))
            ended = [await self._finish(each) for each in self.executions]
            for each in ended:
                await self._check(each)
            self._check_effects(world, whole=any(each.status != "cancelled" for each in ended))
        except BaseException as error:
            error.add_note(str(self))
            raise

    async def _published(self, definition: JsonObject) -> str | None:
        """Publish the graph, unless the database is busy with the other programs: then it is tried again."""
        try:
            return await self.cairn.publish(definition)
        except Unavailable:
            return None

    # What is done to it.

    async def _something(self, execution_id: str) -> None:
        kinds = ["pause", "resume", "replay", "rollback", "rollback", "fork", "cancel", "early", "go_on", "go_on"]
        kind = self.chance.choice(kinds)
        if kind == "cancel" and self.chance.random() < 0.5:
            kind = "go_on"
        deeds: dict[str, Callable[[str], Coroutine[Any, Any, object]]] = {
            "pause": self._pause,
            "resume": self._resume,
            "replay": self._replay,
            "rollback": self._rollback,
            "fork": self._fork,
            "cancel": self._cancel,
            "early": self._early,
            "go_on": self._go_on,
        }
        await self._tell(kind, execution_id, deeds[kind](execution_id))

    async def _tell(self, kind: str, execution_id: str, deed: Coroutine[Any, Any, object]) -> None:
        """Do something and write down what came of it; a refusal is no fault."""
        number = self.executions.index(execution_id)
        try:
            told = await deed
        except REFUSED as error:
            told = f"refused: {error.code}"
        if told:
            self.told.append(f"{kind} of {number}: {told}")

    async def _pause(self, execution_id: str) -> str:
        async with self.cairn.executions() as service:
            return (await service.pause(execution_id)).status

    async def _resume(self, execution_id: str) -> str:
        async with self.cairn.executions() as service:
            return (await service.resume(execution_id)).status

    async def _cancel(self, execution_id: str) -> str:
        async with self.cairn.executions() as service:
            told = (await service.cancel(execution_id)).status
        if self.chance.random() < 0.3:
            self.leave.add(execution_id)
        return told

    async def _replay(self, execution_id: str) -> str:
        return await self._reset(execution_id, "replay", force=True)

    async def _rollback(self, execution_id: str) -> str:
        return await self._reset(execution_id, "rollback")

    async def _reset(self, execution_id: str, kind: str, **more: Any) -> str:
        checkpoint = await self._checkpoint(execution_id)
        if checkpoint is None:
            return "no checkpoint"
        reuse = self.chance.random() < 0.7
        told = await self.cairn.reset(execution_id, kind, checkpoint, reuse_completed=reuse, **more)
        self.leave.discard(execution_id)
        return f"{checkpoint}, {reuse=}: {told.status}"

    async def _checkpoint(self, execution_id: str) -> str | None:
        """Choose a checkpoint that can be reset to, and keep its state to compare it later."""
        now = await self.cairn.temporal.require(execution_id)
        found = [c for c in (await self.cairn.temporal.project(now)).checkpoints if c.resettable]
        if not found:
            return None
        chosen = self.chance.choice(found)
        snapshot = await self.cairn.temporal.state_at(now, chosen)
        assert snapshot is not None, chosen
        self._same_state(chosen.id, snapshot)
        return chosen.id

    def _same_state(self, checkpoint_id: str, snapshot: Snapshot) -> None:
        known = self.seen.setdefault(checkpoint_id, snapshot)
        assert (known.input, known.state, known.outputs) == (snapshot.input, snapshot.state, snapshot.outputs)

    async def _fork(self, execution_id: str) -> str:
        if len(self.executions) > 2:
            return "enough"
        checkpoint = await self._checkpoint(execution_id)
        if checkpoint is None:
            return "no checkpoint"
        async with self.cairn.executions() as service:
            row = await fork(service, execution_id, ForkExecution(checkpoint_id=checkpoint))
            await service.session.commit()
            await service.start(row)
        self.executions.append(row.id)
        return f"{checkpoint} as {len(self.executions) - 1}"

    async def _early(self, execution_id: str) -> str:
        """Tell of an event that may not be waited for yet, or any more."""
        if not self.early:
            return "none"
        node, visit = self.chance.choice(self.early)
        await self._send(execution_id, node, visit)
        return f"{node} {visit}"

    async def _go_on(self, execution_id: str) -> str:
        """Give what is waited for: answers of people and outside events."""
        now = await self.cairn.temporal.require(execution_id)
        engine = (await self.cairn.temporal.project(now)).engine
        works = engine.state.in_flight.values() if engine.started else ()
        waits = [work.run for work in works if isinstance(work.run, Wait)]
        self.chance.shuffle(waits)
        for wait in waits:
            if wait.what == "event":
                await self._send(execution_id, wait.node_id, wait.visit)
            elif wait.request_id is not None:
                await self._answer(wait, wait.request_id)
        return " ".join(wait.key for wait in waits)

    async def _send(self, execution_id: str, node: str, visit: int) -> None:
        event = Event(node, value_of(node, visit), visit, f"{node}/{visit}")
        async with self.cairn.executions() as service:
            await send_event(service, execution_id, event)

    async def _answer(self, wait: Wait, request_id: str) -> None:
        question = wait.what == "question"
        reply = Reply("answered", answer=value_of(wait.node_id, wait.visit)) if question else Reply("approved")
        async with self.cairn.database.session() as session:
            service = RequestService(session, self.cairn.temporal, self.cairn.principal)
            await service.answer("question" if question else "approval", request_id, reply)
            await session.commit()

    # How it ends.

    async def _finish(self, execution_id: str) -> Execution:
        """See to it that the execution comes to its end."""

        async def ended() -> Execution | None:
            try:
                now = await self.cairn.get(execution_id)
            except Unavailable:
                return None
            match now.status:
                case "paused":
                    await self._tell("resume", execution_id, self._resume(execution_id))
                case "running":
                    await self._tell("go_on", execution_id, self._go_on(execution_id))
                    await asyncio.sleep(0.2)
                case "cancelled" if execution_id not in self.leave:
                    await self._tell("replay", execution_id, self._replay(execution_id))
                case _:
                    return now
            return None

        return await until(ended, LONG)

    async def _check(self, execution: Execution) -> None:
        """Look at an execution that has ended."""
        if execution.status != "cancelled":
            assert execution.status == ("failed" if self.expected.failed else "completed"), execution.error
            output = None if self.expected.failed else {"total": self.expected.total}
            assert execution.output_data == output
        now = await until(lambda: self._seen_by_temporal(execution))
        projection = await self.cairn.temporal.project(now)
        for checkpoint in projection.checkpoints:
            if checkpoint.id in self.seen:
                snapshot = await self.cairn.temporal.state_at(now, checkpoint)
                assert snapshot is not None, checkpoint
                self._same_state(checkpoint.id, snapshot)
        await until(lambda: self._nothing_is_asked(execution.id))

    async def _seen_by_temporal(self, execution: Execution) -> Description | None:
        """Return what Temporal says, once it says the same: a row may tell of the end a moment before."""
        now = await self.cairn.temporal.require(execution.id)
        return now if now.phase is (Phase(execution.status) if execution.status in ENDS else None) else None

    async def _nothing_is_asked(self, execution_id: str) -> bool:
        """Whether no request of the execution waits for anybody."""
        async with self.cairn.database.session() as session:
            service = RequestService(session, self.cairn.temporal, self.cairn.principal)
            which = RequestFilter(execution_id=execution_id)
            pages = [await service.list_pending(kind, which, 1, 1) for kind in ("approval", "question")]
            return not any(page.items for page in pages)

    def _check_effects(self, world: World, whole: bool) -> None:
        """Everything was done, nothing else was, and nothing twice in one line of an execution."""
        ours = [(what, key) for what, key in world.ledger if what.startswith(self.prefix)]
        wanted = {f"{node}/{visit}/0" for kind, node, visit in self.expected.effects if kind in _GIVEN}
        maps = [(node, visit) for kind, node, visit in self.expected.effects if kind == "map"]
        wanted |= {f"{node}/{visit}/{item}" for node, visit in maps for item in ITEMS}
        done = {what for what, _ in ours}
        assert done <= wanted, done - wanted
        assert not whole or done == wanted, wanted - done
        assert [key for key, times in Counter(key for _, key in ours).items() if times > 1] == []


async def publish_other(cairn: Cairn) -> str:
    """Publish the graph that subgraphs name."""
    return await cairn.publish(SUBGRAPH, "other")
