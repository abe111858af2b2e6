"""Waiting for times, outside events and people, live: what comes early, late, twice, or never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from graphs import edge, node, noting, sequence
from installation import Cairn, until
from people import answer, asked, send

from cairn.domain.requests.model import RequestFilter
from cairn.domain.requests.service import RequestService
from cairn.errors import Conflict, InvalidInput


@pytest.mark.history("wait_seconds")
async def test_a_wait_for_a_time_goes_on_by_itself(cairn: Cairn) -> None:
    execution = await cairn.run(sequence(node("nap", "wait", seconds="0.2"), noting("b")))
    done = await cairn.reach(execution.id, "completed")
    assert [c.name for c in done.checkpoints] == ["start", "nap", "b"]


async def test_a_wait_until_a_time_that_has_passed_is_none(cairn: Cairn) -> None:
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    execution = await cairn.run(sequence(node("nap", "wait", until="input.at"), noting("b")), {"at": past})
    await cairn.reach(execution.id, "completed")


@pytest.mark.history("wait_event")
async def test_an_event_that_comes_early_is_kept_until_it_is_waited_for(cairn: Cairn, world) -> None:
    graph = sequence(
        node("gate", "tool", tool="wait_at", arguments={"gate": "'gate'"}),
        node("paid", "wait", event={"name": "paid", "correlation": "input.order"}, output="paid"),
    )
    graph["nodes"][-1]["data"]["output"] = {"paid": "state.paid"}
    execution = await cairn.run(graph, {"order": 7})
    await until(lambda: world.waiting["gate"])
    await send(cairn, execution.id, "paid", {"sum": 1}, correlation=8, event_id="e1")
    await send(cairn, execution.id, "paid", {"sum": 2}, correlation=7, event_id="e2")
    await send(cairn, execution.id, "paid", {"sum": 3}, correlation=7, event_id="e2")
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"paid": {"sum": 2}}


@pytest.mark.history("wait_timeout")
async def test_an_event_that_never_comes_takes_the_way_of_a_timeout(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("paid", "wait", event={"name": "paid"}, timeout=0.2),
            noting("late"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "paid"),
            edge("paid", "end"),
            edge("paid", "late", on="timeout"),
            edge("late", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["late"]


@pytest.mark.history("approval")
async def test_a_person_approves(cairn: Cairn, world) -> None:
    graph = sequence(node("ask", "approval", prompt="Pay {{ sum }}?", output="said"), noting("pay"))
    graph["nodes"][-1]["data"]["output"] = {"said": "state.said"}
    execution = await cairn.run(graph, {"sum": 5})
    request = await asked(cairn, execution.id)
    with pytest.raises(InvalidInput):
        await answer(cairn, execution.id, request, {"decision": "perhaps"})
    with pytest.raises(Conflict) as unknown:
        await answer(cairn, execution.id, "appr_0", {"decision": "approved"})
    assert unknown.value.code == "request_not_open"
    await answer(cairn, execution.id, request, {"decision": "approved", "reason": "fine"})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {
        "said": {"decision": "approved", "by": "ann", "reason": "fine", "modified_arguments": None}
    }
    assert [c.name for c in done.checkpoints] == ["start", "ask", "pay"]


@pytest.mark.history("approval_expired")
async def test_an_approval_that_nobody_gives_takes_the_default_branch(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("ask", "approval", prompt="?", timeout=0.2, on_timeout="no"),
            noting("paid"),
            noting("left"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "ask"),
            edge("ask", "paid", "yes", expression="outputs.ask.decision == 'approved'"),
            edge("ask", "left", "no"),
            edge("paid", "end"),
            edge("left", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["left"]


@pytest.mark.history("approval_rollback")
async def test_after_a_rollback_people_are_asked_anew_and_the_old_answer_is_refused(cairn: Cairn, world) -> None:
    graph = sequence(noting("a"), node("ask", "approval", prompt="?"), noting("b"))
    execution = await cairn.run(graph)
    first = await asked(cairn, execution.id)
    await answer(cairn, execution.id, first, {"decision": "approved"})
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "replay", "a")
    second = await asked(cairn, execution.id)
    assert second != first
    with pytest.raises(Conflict):
        await answer(cairn, execution.id, first, {"decision": "approved"})
    await answer(cairn, execution.id, second, {"decision": "approved"})
    await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["a", "b", "b"]


@pytest.mark.history("escalated")
async def test_an_approval_that_was_escalated_is_given_by_who_was_asked_then(cairn: Cairn) -> None:
    ask = node("ask", "approval", prompt="?", assignees=["bob"], escalate={"after": 0.2, "assignees": ["ann"]})
    execution = await cairn.run(sequence(ask, noting("after")))
    request = await asked(cairn, execution.id)

    async def escalated() -> bool:
        async with cairn.database.session() as session:
            page = RequestService(session, cairn.temporal, cairn.principal)
            found = await page.list_pending("approval", RequestFilter(execution_id=execution.id), 1, 1)
            return any(each.escalated and each.assignees == ["bob", "ann"] for each in found.items)

    await until(escalated)
    await answer(cairn, execution.id, request, {"decision": "approved"})
    await cairn.reach(execution.id, "completed")


@pytest.mark.history("question")
async def test_a_question_is_answered_by_its_schema(cairn: Cairn) -> None:
    graph = sequence(node("ask", "question", prompt="How many?", schema={"type": "integer"}, output="n"))
    graph["nodes"][-1]["data"]["output"] = {"n": "state.n"}
    execution = await cairn.run(graph)
    request = await asked(cairn, execution.id)
    with pytest.raises(InvalidInput):
        await answer(cairn, execution.id, request, "many")
    await answer(cairn, execution.id, request, 3)
    assert (await cairn.reach(execution.id, "completed")).output_data == {"n": 3}


async def test_a_paused_execution_keeps_an_answer_and_an_overdue_wait(cairn: Cairn) -> None:
    execution = await cairn.run(sequence(node("ask", "question", prompt="?"), node("nap", "wait", seconds=0.1)))
    request = await asked(cairn, execution.id)
    async with cairn.executions() as service:
        await service.pause(execution.id)
    await answer(cairn, execution.id, request, "yes")
    assert (await cairn.get(execution.id)).status == "paused"
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
