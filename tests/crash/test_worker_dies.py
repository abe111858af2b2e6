"""The worker is killed (-9) in the middle of its work: another one ends what it had begun, once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx2
import pytest
from crash.conftest import holding, spending
from crash.site import SOON, Site, new_key
from graphs import sequence

from cairn.contracts.json import JsonObject
from chaos.programs import until


@pytest.mark.timeout(180)
async def test_what_a_dead_worker_had_in_hand_is_ended_by_another(site: Site, abc: str) -> None:
    await site.will_crash(site.worker, "after the reset call, before its activity ends")
    gate = new_key()
    paused = await _paused(site)
    busy = await site.start(sequence(spending("a"), holding("held", gate), spending("c")))
    await site.called("held", busy)
    replay = await _replay(site, abc)
    await site.died(site.worker)
    await site.restart(site.worker)

    # Paused when the worker died: still paused, and goes on when it is told to.
    assert (await site.reach(paused, "paused"))["revision"] == 1
    await site.command(paused, "resume")
    await site.reach(paused, "completed")
    assert [len(site.calls(name, paused)) for name in ("held", "c")] == [1, 1]

    # In the middle of a tool: tried again under the same key, and ended once.
    await site.called("held", busy, times=2)
    site.ledger.open(gate)
    await site.reach(busy, "completed")
    tries = [e for e in site.ledger.read() if (e.what, e.name, e.execution_id) == ("call", "held", busy)]
    assert [e.attempt for e in tries] == [1, 2]
    assert len({e.key for e in tries}) == 1
    assert [len(site.effects(name, busy)) for name in ("a", "held", "c")] == [1, 1, 1]

    # In the middle of a reset, which Temporal had made: not made again.
    await replay.was_done_once(site)


async def test_a_replay_whose_worker_dies_before_the_resume_goes_on(site: Site, abc: str) -> None:
    await site.will_crash(site.worker, "after the reset, before the resume")
    replay = await _replay(site, abc)
    await site.died(site.worker)
    assert len(await site.resets(replay.execution_id)) == 1
    assert [len(site.calls(name, replay.execution_id)) for name in "abc"] == [1, 1, 1]
    await site.restart(site.worker)
    await replay.was_done_once(site)


@dataclass
class _Replay:
    """A replay of an execution of ``abc`` from ``a``, on its way."""

    execution_id: str
    key: str
    reply: asyncio.Task[httpx2.Response]

    async def was_done_once(self, site: Site) -> None:
        reply = await self.reply
        if reply.status_code == 503:
            assert reply.headers["Retry-After"]
            reply = await site.post_again(_path(self.execution_id), _BODY, self.key)
        assert reply.status_code == 200, reply.text
        after = await site.reach(self.execution_id, "completed")
        assert len(await site.resets(self.execution_id)) == 1
        assert after["revision"] == 2
        assert [len(site.calls(name, self.execution_id)) for name in "abc"] == [1, 2, 2]


_BODY = {"checkpoint_name": "a"}


def _path(execution_id: str) -> str:
    return f"/executions/{execution_id}/replay"


async def _replay(site: Site, abc: str) -> _Replay:
    execution_id = await site.start(abc)
    await site.reach(execution_id, "completed")
    key = new_key()
    return _Replay(execution_id, key, asyncio.create_task(site.post(_path(execution_id), _BODY, key)))


async def _paused(site: Site) -> str:
    """Return an execution that is paused after its first node, with nothing in flight."""
    gate = new_key()
    execution_id = await site.start(sequence(holding("held", gate), spending("c")))
    await site.called("held", execution_id)
    await site.command(execution_id, "pause")
    site.ledger.open(gate)

    async def settled() -> JsonObject | None:
        now = await site.reach(execution_id, "paused")
        return now if now["checkpoint_count"] == 2 else None

    await until(settled, SOON, "the end of what was in flight")
    return execution_id


async def test_without_a_worker_an_execution_waits_and_says_so(site: Site, abc: str) -> None:
    await site.worker.stop()
    execution_id = await site.start(abc)

    async def told() -> JsonObject | None:
        now = await site.reach(execution_id, "running")
        return now if now["status_detail"] else None

    waiting = await until(told, SOON, "a status detail")
    assert waiting["status_detail"].startswith("no worker polls the task queue")
    await site.restart(site.worker)
    done = await site.reach(execution_id, "completed")
    assert done["status_detail"] is None
