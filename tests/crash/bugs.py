"""Bugs, each planted in a storm's programs before they begin; what is listed here is what the checker has to find."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.domain.tools import ToolContext
from chaos.ledger import Ledger, effects

Calls = Callable[..., Awaitable[NodeResult]]


def effect_twice() -> None:
    """A try of a tool is made twice."""

    async def call(once: Calls, *given: Any) -> NodeResult:
        await once(*given)
        return await once(*given)

    _of_tools(call)


def key_of_try() -> None:
    """Each try of a call has an idempotency key of its own."""

    async def call(once: Calls, tools: Any, node: NodeCall, context: ToolContext) -> NodeResult:
        own = f"{context.idempotency_key}/{context.attempt}"
        return await once(tools, node, dataclasses.replace(context, idempotency_key=own))

    _of_tools(call)


def heard_again() -> None:
    """An event that was heard already is taken again when it is told again."""
    from cairn.graph import waits

    hear: Any = waits.hear

    def anew(state: Any, event: Any) -> None:
        state.heard = [each for each in state.heard if each != event.event_id]
        hear(state, event)

    waits.hear = anew


def never_ends() -> None:
    """A call that has done its work never ends, and says all the time that it works."""

    async def call(once: Calls, *given: Any) -> NodeResult:
        result = await once(*given)
        if _called(given).node_id in ("c", "z"):
            await asyncio.Event().wait()
        return result

    _of_tools(call)


def old_results() -> None:
    """Results are kept by node and visit alone: after a rollback those of the discarded line come back."""

    async def call(once: Calls, *given: Any) -> NodeResult:
        key = _called(given).idempotency_key
        done = effects(Ledger.of_environment().read())
        known = [each for each in done if each.key.rpartition("/")[0] == key.rpartition("/")[0]]
        if known and _called(given).data["tool"] == "spend":
            return NodeResult(value={"name": known[0].name, "key": known[0].key})
        return await once(*given)

    _of_tools(call)


def memory_kept() -> None:
    """A worker keeps 400 MiB of what it has worked with."""
    kept: list[bytes] = []

    async def call(once: Calls, *given: Any) -> NodeResult:
        if not kept:
            kept.append(b"x" * (400 << 20))
        return await once(*given)

    _of_tools(call)


def forgotten_keys() -> None:
    """Idempotency keys are forgotten: what is sent twice is done twice."""
    from cairn.domain.idempotency import IdempotencyStore

    begin: Any = IdempotencyStore.begin

    async def anew(self: Any, principal: Any, method: str, path: str, key: str, request_hash: str) -> Any:
        return await begin(self, principal, method, path, f"{key}-{uuid.uuid4().hex}", request_hash)

    IdempotencyStore.begin = anew


def said_twice() -> None:
    """A message that is sent again is another one."""
    from cairn.domain.chat.service import ChatService

    begin: Any = ChatService.begin

    async def anew(self: Any, agent: str, ask: Any, *more: Any) -> Any:
        other = dataclasses.replace(ask, message_id=f"{ask.message_id}-{uuid.uuid4().hex}")
        return await begin(self, agent, other, *more)

    ChatService.begin = anew


def rows_left() -> None:
    """It is not written down how executions end: the list says that they run."""
    from cairn.domain.executions import view, workflow_side
    from cairn.domain.executions.reconcile import Reconciler
    from cairn.domain.executions.service import ExecutionService

    record: Any = workflow_side.record

    async def record_unended(session: Any, told: Any) -> None:
        if told.phase not in workflow_side.CLOSED:
            await record(session, told)

    async def nothing(*_: Any) -> None:
        pass

    async def show(self: Any, row: Any, values: Any) -> None:
        self.session.expunge(row)
        await view.repair(self.session, row, values)

    workflow_side.record = record_unended
    Reconciler.repair = nothing
    ExecutionService._repair = show  # pyright: ignore[reportPrivateUsage]


def not_deterministic() -> None:
    """The workflow commands something that the code does not know by which its history is replayed."""
    from temporalio import workflow

    execute: Any = workflow.execute_activity

    async def after_a_while(*given: Any, **options: Any) -> Any:
        await workflow.sleep(0.001)
        return await execute(*given, **options)

    workflow.execute_activity = after_a_while


def nobody_told() -> None:
    """It is written down that people were told, and nobody is."""
    from activities.requests import RequestActivities

    async def as_if(*_: Any) -> tuple[bool, None]:
        return False, None

    RequestActivities._post = as_if  # pyright: ignore[reportPrivateUsage]


SEEDED: dict[Callable[[], None], str] = {
    effect_twice: "effects_once",
    forgotten_keys: "started_once",
    heard_again: "events_once",
    key_of_try: "effects_once",
    memory_kept: "memory_returns",
    never_ends: "at_rest",
    nobody_told: "told_at_least_once",
    not_deterministic: "histories_replay",
    old_results: "nothing_discarded_is_visible",
    rows_left: "everyone_agrees",
    said_twice: "said_once",
}
"""The rule that has to find each."""


def _of_tools(call: Callable[..., Awaitable[NodeResult]]) -> None:
    """Have a tool's node called another way, which is given how it was called before."""
    from activities import tools

    before = tools._call  # pyright: ignore[reportPrivateUsage]

    async def other(*given: Any) -> NodeResult:
        return await call(before, *given)

    tools._call = other  # pyright: ignore[reportPrivateUsage]


def _called(given: tuple[Any, ...]) -> NodeCall:
    return given[1]
