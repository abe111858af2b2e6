"""Answers and events where something is away or dies: no worker, or the process that answers."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest
from graphs import edge, node, noting, sequence
from installation import Cairn, until
from people import asked

from cairn.contracts.executions import SIGNAL_ANSWER
from cairn.contracts.json import Json
from cairn.domain.executions.outside import Event, send_event
from cairn.domain.executions.reconcile import Reconciler
from cairn.domain.requests.model import Reply, Request, RequestFilter
from cairn.domain.requests.service import RequestService
from cairn.errors import CairnError, Conflict, Gone, Unavailable
from cairn.persistence.types import utc_now

YES = Reply("approved", reason="fine")


def asking() -> dict:
    return sequence(node("ask", "approval", prompt="?"), noting("after"))


async def pending(cairn: Cairn, execution_id: str) -> Request:
    async def found() -> Request | None:
        async with cairn.database.session() as session:
            service = RequestService(session, cairn.temporal, cairn.principal)
            page = await service.list_pending("approval", RequestFilter(execution_id=execution_id), 1, 1)
            return page.items[0] if page.items else None

    return await until(found)


async def answer(cairn: Cairn, request_id: str, reply: Reply, key: str | None, *, dies: bool = False) -> Request:
    """Answer as a request of the API does; one that dies has told the execution and written nothing."""
    async with cairn.database.session() as session:
        service = RequestService(session, cairn.temporal, cairn.principal)
        answered = await service.answer("approval", request_id, reply, key)
        if not dies:
            await session.commit()
        return answered


async def test_an_answer_whose_process_died_is_the_same_when_it_is_sent_again(cairn: Cairn) -> None:
    execution = await cairn.run(asking())
    request = await pending(cairn, execution.id)
    await answer(cairn, request.id, YES, "k", dies=True)
    await cairn.reach(execution.id, "completed")
    for _ in range(2):
        again = await answer(cairn, request.id, YES, "k")
        assert (again.status, again.resolved_by, again.reason) == ("approved", "ann", "fine")
    for key in (None, "other"):
        with pytest.raises(Conflict) as refused:
            await answer(cairn, request.id, YES, key)
        assert refused.value.code == "request_resolved"


async def test_of_answers_at_once_with_one_key_all_are_told_the_same(cairn: Cairn, world) -> None:
    execution = await cairn.run(asking())
    request = await pending(cairn, execution.id)

    async def one() -> str:
        try:
            return (await answer(cairn, request.id, YES, "k")).status
        except CairnError as error:
            return error.code

    assert set(await asyncio.gather(*[one() for _ in range(5)])) == {"approved"}
    await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["after"]


async def test_without_a_worker_an_answer_is_not_accepted_and_is_taken_later(idle_cairn: Cairn) -> None:
    cairn = idle_cairn
    async with cairn.worker():
        execution = await cairn.run(asking())
        request = await pending(cairn, execution.id)
    with pytest.raises(Unavailable):
        await answer(cairn, request.id, YES, "k")

    async with cairn.worker():
        assert (await until(lambda: _accepted(cairn, request.id))).status == "approved"
        await cairn.reach(execution.id, "completed")


async def test_an_event_is_taken_without_a_worker_even_before_the_start_was_seen(idle_cairn: Cairn) -> None:
    cairn = idle_cairn
    definition = sequence(
        node("wait", "wait", event={"name": "paid"}), node("end", "end", output={"got": "outputs.wait"})
    )
    execution = await cairn.run(definition)
    async with cairn.executions() as executions:
        names = [await send_event(executions, execution.id, Event("paid", n), "key") for n in (1, 1)]
        assert names[0] == names[1]
    async with cairn.worker():
        done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"got": 1}


async def test_an_event_of_the_line_before_a_reset_is_not_heard_in_the_new_one(cairn: Cairn) -> None:
    two = sequence(node("one", "wait", event={"name": "go"}), node("two", "wait", event={"name": "go"}))
    execution = await cairn.run(two)

    async def send() -> None:
        async with cairn.executions() as executions:
            await send_event(executions, execution.id, Event("go"))

    async def names() -> list[str]:
        return [checkpoint.name for checkpoint in (await cairn.get(execution.id)).checkpoints or []]

    await send()
    await until(lambda: _has(names, "one"))
    await cairn.reset(execution.id, "replay", "start", force=True)
    assert await names() == ["start"]
    await send()
    await until(lambda: _has(names, "one"))
    await send()
    await cairn.reach(execution.id, "completed")


async def _has(names, name: str) -> bool:
    return name in await names()


async def test_the_requests_of_an_execution_that_was_terminated_are_cancelled(cairn: Cairn) -> None:
    execution = await cairn.run(asking())
    request = await pending(cairn, execution.id)
    await cairn.client.get_workflow_handle(execution.id).terminate()
    await Reconciler(cairn.database, cairn.temporal, utc_now()).repair(execution.id)
    async with cairn.database.session() as session:
        service = RequestService(session, cairn.temporal, cairn.principal)
        assert (await service.get("approval", request.id)).status == "cancelled"


@pytest.mark.history("answered_by_signal")
async def test_operators_answer_by_signal_with_temporals_own_tools(cairn: Cairn) -> None:
    ask = node("ask", "approval", prompt="?")
    number = node("number", "question", prompt="?", schema={"type": "integer"})
    end = node("end", "end", output={"by": "outputs.ask.by", "number": "outputs.number"})
    execution = await cairn.run(sequence(ask, number, end))
    handle = cairn.client.get_workflow_handle(execution.id)

    async def say(request_id: str, value: Json) -> None:
        lineage = (await handle.query("status"))["lineage"]
        said = {"lineage": lineage, "request_id": request_id, "value": value, "by": "ops"}
        await handle.signal(SIGNAL_ANSWER, said)  # as `temporal workflow signal` sends it

    approval = await asked(cairn, execution.id)
    await say("appr_of_another", {"decision": "denied"})
    await say(approval, {"decision": "maybe"})
    await say(approval, {"decision": "approved"})

    async def next_one() -> str | None:
        return next((each for each in (await handle.query("status"))["requests"] if each != approval), None)

    question = await until(next_one)
    await say(question, "many")
    assert list((await handle.query("status"))["requests"]) == [question]
    await say(question, 4)
    assert (await cairn.reach(execution.id, "completed")).output_data == {"by": "ops", "number": 4}

    async def statuses() -> bool:
        async with cairn.database.session() as session:
            service = RequestService(session, cairn.temporal, cairn.principal)
            found = await service.get("approval", approval), await service.get("question", question)
            return [each.status for each in found] == ["approved", "answered"]

    await until(statuses)


async def test_an_api_whose_clock_is_ahead_shows_and_takes_what_has_not_expired(
    cairn: Cairn, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await cairn.run(sequence(node("ask", "approval", prompt="?", timeout=40), noting("after")))
    request = await pending(cairn, execution.id)
    monkeypatch.setattr("cairn.domain.requests.model.utc_now", lambda: utc_now() + timedelta(seconds=55))
    assert (await pending(cairn, execution.id)).status == "pending"
    async with cairn.database.transaction() as session:
        service = RequestService(session, cairn.temporal, cairn.principal)
        assert (await service.get("approval", request.id)).status == "pending"
        assert await service.expire_overdue() == 0
    assert (await answer(cairn, request.id, YES, None)).status == "approved"
    await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["after"]


async def test_a_late_answer_is_told_as_late_though_the_end_is_not_written_down_yet(
    cairn: Cairn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unwritten(*_: object) -> bool:
        return True

    monkeypatch.setattr("cairn.domain.requests.workflow_side.close_request", unwritten)
    late = node("late", "wait", event={"name": "go"})
    definition = sequence(node("ask", "approval", prompt="?", timeout=2), late)
    definition["edges"] += [edge("ask", "late", "late", on="timeout")]
    execution = await cairn.run(definition)
    request = await pending(cairn, execution.id)
    handle = cairn.client.get_workflow_handle(execution.id)

    async def over() -> bool:
        return not (await handle.query("status"))["requests"]

    await until(over)
    with pytest.raises(Gone):
        await answer(cairn, request.id, YES, None)


async def test_months_of_waiting_are_a_timer_and_nothing_for_a_worker(idle_cairn: Cairn) -> None:
    cairn = idle_cairn
    quarter = 90 * 86400
    async with cairn.worker():
        execution = await cairn.run(sequence(node("ask", "approval", prompt="?", timeout=quarter), noting("after")))
        request = await pending(cairn, execution.id)

        async def at_rest() -> bool:
            told = (await cairn.client.get_workflow_handle(execution.id).describe()).raw_description
            return not told.pending_activities and not told.HasField("pending_workflow_task")

        await until(at_rest)
    events = (await cairn.history(execution.id)).events
    timers = [e.timer_started_event_attributes for e in events if e.HasField("timer_started_event_attributes")]
    assert [timer.start_to_fire_timeout.ToTimedelta().total_seconds() for timer in timers] == [quarter]
    assert await at_rest()  # with no worker at all
    assert (request.status, len((await cairn.history(execution.id)).events)) == ("pending", len(events))
    async with cairn.worker():
        await until(lambda: _accepted(cairn, request.id))
        await cairn.reach(execution.id, "completed")


async def _accepted(cairn: Cairn, request_id: str) -> Request | None:
    with contextlib.suppress(Unavailable):  # Temporal offers it to the worker that has gone first
        return await answer(cairn, request_id, YES, "k")
    return None
