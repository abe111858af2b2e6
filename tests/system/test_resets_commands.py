"""Commands that are sent again, by the same key, after an operator has reset the execution: once in each line."""

from __future__ import annotations

import contextlib

import pytest
from graphs import node, noting, sequence, waiting
from installation import Cairn, until
from people import asked, send
from system.test_operator import reset

from cairn.domain.executions.model import Execution
from cairn.domain.requests.model import Reply
from cairn.domain.requests.service import RequestService
from cairn.errors import Conflict, Unavailable
from cairn.settings import Settings


async def command(cairn: Cairn, execution_id: str, name: str, key: str) -> Execution:
    """Command it as a request of the API with an idempotency key does, of which nothing else is kept."""
    async with cairn.executions() as service:
        return await getattr(service, name)(execution_id, key=key)


async def held(cairn: Cairn, world) -> Execution:
    """Return an execution that was paused and resumed while a node was at work, and completed."""
    execution = await cairn.run(sequence(noting("a"), waiting("gate"), noting("c")))
    await until(lambda: world.waiting["gate"])
    await command(cairn, execution.id, "pause", "k1")
    await command(cairn, execution.id, "resume", "k2")
    world.gate("gate").set()
    return await cairn.reach(execution.id, "completed")


async def test_a_command_sent_again_after_a_default_reset_is_carried_out_once_in_the_new_line(
    cairn: Cairn, world
) -> None:
    done = await held(cairn, world)
    await reset(cairn, done, "a")
    landed = (await cairn.reach(done.id, "paused")).revision
    resumed = await command(cairn, done.id, "resume", "k2")
    assert resumed.revision == landed + 1
    await cairn.reach(done.id, "completed")
    again = await command(cairn, done.id, "resume", "k2")
    assert (again.status, again.revision) == ("completed", landed + 1)
    assert len(world.effects("a")) == 1
    assert len(world.effects("c")) == 2
    with pytest.raises(Conflict):
        await command(cairn, done.id, "pause", "k1")  # not in this line, which has ended


async def test_a_command_that_the_reset_keeps_is_answered_and_not_carried_out_again(cairn: Cairn, world) -> None:
    done = await held(cairn, world)
    for _ in range(2):
        await reset(cairn, done, "gate")
        back = await cairn.reach(done.id, "paused")
        for name, key in (("pause", "k1"), ("resume", "k2")):
            again = await command(cairn, done.id, name, key)
            assert (again.status, again.revision) == ("paused", back.revision)
        done = back
    await command(cairn, done.id, "resume", "k3")
    await cairn.reach(done.id, "completed")


async def test_the_same_command_is_carried_out_in_each_of_several_lines(cairn: Cairn, world) -> None:
    done = await held(cairn, world)
    for line in range(1, 4):
        await reset(cairn, done, "a")
        back = await cairn.reach(done.id, "paused")
        resumed = await command(cairn, done.id, "resume", "k2")
        assert resumed.revision == back.revision + 1
        done = await cairn.reach(done.id, "completed")
        assert len(world.effects("c")) == line + 1


async def test_a_command_sent_while_no_worker_has_taken_the_reset_up_is_carried_out_once(
    idle_cairn: Cairn, world
) -> None:
    cairn = idle_cairn
    async with cairn.worker():
        done = await held(cairn, world)
    await reset(cairn, done, "a")
    with pytest.raises(Unavailable):
        await command(cairn, done.id, "resume", "k2")
    async with cairn.worker():
        resumed = await command(cairn, done.id, "resume", "k2")
        await cairn.reach(done.id, "completed")
        again = await command(cairn, done.id, "resume", "k2")
    assert again.revision == resumed.revision
    assert len(world.effects("c")) == 2


async def test_a_cancellation_sent_again_after_a_default_reset_ends_the_new_line(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), waiting("gate")))
    await until(lambda: world.waiting["gate"])
    await command(cairn, execution.id, "cancel", "k1")
    cancelled = await cairn.reach(execution.id, "cancelled")
    await reset(cairn, cancelled, "a")
    await cairn.reach(execution.id, "paused")
    await command(cairn, execution.id, "cancel", "k1")
    await cairn.reach(execution.id, "cancelled")


async def test_an_answer_given_again_after_a_default_reset_is_taken(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), node("ask", "approval", prompt="?"), noting("after")))

    async def approve(request_id: str) -> str:
        async with cairn.database.session() as session:
            service = RequestService(session, cairn.temporal, cairn.principal)
            answered = await service.answer("approval", request_id, Reply("approved"), "k")
            await session.commit()
            return answered.status

    async def request() -> str:
        request_id = await asked(cairn, execution.id)

        async def kept() -> bool:
            async with cairn.database.session() as session:
                with contextlib.suppress(Exception):
                    await RequestService(session, cairn.temporal, cairn.principal).get("approval", request_id)
                    return True
                return False

        await until(kept)
        return request_id

    for effects in (1, 2):
        assert await approve(await request()) == "approved"
        done = await cairn.reach(execution.id, "completed")
        assert len(world.effects("after")) == effects
        if effects == 1:
            await reset(cairn, done, "a")
            await cairn.reach(execution.id, "paused")
            await command(cairn, execution.id, "resume", "other")


class TestOverRuns:
    """The line goes on in new runs."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"history_limit": 20})

    async def test_a_command_is_carried_out_once_in_a_line_of_several_runs(self, cairn: Cairn, world) -> None:
        execution = await cairn.run(sequence(noting("a"), node("w", "wait", event={"name": "go"})))
        await until(lambda: world.effects("a"))
        await command(cairn, execution.id, "pause", "k1")
        before = await command(cairn, execution.id, "resume", "k2")
        await reset(cairn, before, "a")
        await cairn.reach(execution.id, "paused")
        await command(cairn, execution.id, "resume", "other")
        paused = await command(cairn, execution.id, "pause", "k1")
        assert paused.status == "paused"
        first = (await cairn.temporal.require(execution.id)).run_id
        for number in range(30):
            await send(cairn, execution.id, "noise", event_id=f"e{number}")
        await command(cairn, execution.id, "resume", "k2")

        async def elsewhere() -> bool:
            return (await cairn.temporal.require(execution.id)).run_id != first

        await until(elsewhere)
        again = await command(cairn, execution.id, "pause", "k1")
        assert (again.status, again.revision) == ("running", paused.revision + 1)
        await send(cairn, execution.id, "go", event_id="go")
        await cairn.reach(execution.id, "completed")
        assert len(world.effects("a")) == 1
