"""Commands at unlucky moments: before an execution has landed, and again after it has ended."""

from __future__ import annotations

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until

from cairn.errors import Conflict


async def test_a_pause_right_after_the_start_waits_until_it_has_landed(idle_cairn: Cairn, world) -> None:
    cairn = idle_cairn
    execution = await cairn.run(sequence(noting("a"), waiting("gate"), noting("c")))
    async with cairn.worker(), cairn.executions() as service:
        paused = await service.pause(execution.id)
    assert (paused.status, paused.revision) == ("paused", 1)


async def test_a_command_sent_again_after_the_end_was_carried_out(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(waiting("gate"), noting("b")))
    await until(lambda: world.waiting["gate"])
    async with cairn.executions() as service:
        await service.pause(execution.id, key="k1")
    async with cairn.executions() as service:
        await service.resume(execution.id, key="k2")
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    async with cairn.executions() as service:
        again = await service.resume(execution.id, key="k2")
    assert (again.status, again.revision) == ("completed", done.revision)
    async with cairn.executions() as service:
        with pytest.raises(Conflict) as refused:
            await service.resume(execution.id, key="k3")
    assert refused.value.code == "execution_closed"
