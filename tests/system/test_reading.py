"""Reading executions of many runs: a run that has gone on in a new one is read once, by whatever process."""

from __future__ import annotations

import pytest
from installation import Cairn, until
from system.test_continued import looping, settings  # noqa: F401
from system.test_lineage import lineage

from cairn.domain.executions.model import Execution
from cairn.temporal.executions import ExecutionClient

ROUNDS = 25


def another_process(cairn: Cairn, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the execution read as by a process that has read nothing yet; return the runs whose history it reads."""
    cairn.temporal = ExecutionClient(cairn.client, cairn.settings)
    reader, read = cairn.temporal.reader, []
    events, last_reset = reader.events, reader._last_reset

    async def counted(temporal_id: str, run_id: str, after: int = 0):
        read.append(run_id)
        return await events(temporal_id, run_id, after)

    async def counted_back(temporal_id: str, run_id: str):
        read.append(run_id)
        return await last_reset(temporal_id, run_id)

    monkeypatch.setattr(reader, "events", counted)
    monkeypatch.setattr(reader, "_last_reset", counted_back)
    return read


def ids(execution: Execution) -> list[tuple[str, int, int | None]]:
    return [(c.id, c.step, c.point) for c in execution.checkpoints or []]


async def test_another_process_reads_the_present_run_alone(cairn: Cairn, world, monkeypatch) -> None:
    execution = await cairn.run(looping(ROUNDS))
    await until(lambda: len(world.of(execution.id)) >= 2)
    async with cairn.executions() as service:
        await service.pause(execution.id, key="early")
    async with cairn.executions() as service:
        await service.resume(execution.id)
    done = await cairn.reach(execution.id, "completed")
    runs = list(dict.fromkeys(c.run_id for c in done.checkpoints or []))
    assert len(runs) >= 3

    read = another_process(cairn, monkeypatch)
    again = await cairn.get(execution.id)
    assert ids(again) == ids(done) and len(ids(done)) == ROUNDS + 1
    assert read == [done.temporal.run_id]
    # What it knows of earlier runs is enough to know a command again, and to go back to them.
    assert await cairn.temporal.carried_out(await cairn.temporal.require(execution.id), "early")
    assert read == [done.temporal.run_id]

    # No run was reset: none is read for the lineage.
    read = another_process(cairn, monkeypatch)
    assert (await lineage(cairn, execution.id)).resets == []
    assert read == []

    # What cannot be read is read from history, and is whole again afterwards.
    kept = list((cairn.settings.home / "blobs").rglob("run-*"))
    assert len(kept) >= len(runs) - 1
    for file in kept:
        file.write_bytes(b"damaged")
    read = another_process(cairn, monkeypatch)
    assert ids(await cairn.get(execution.id)) == ids(done)
    assert {done.temporal.run_id, *runs[:-1]} <= set(read)
    read = another_process(cairn, monkeypatch)
    assert ids(await cairn.get(execution.id)) == ids(done)
    assert read == [done.temporal.run_id]

    early = (done.checkpoints or [])[3]
    await cairn.reset(execution.id, "replay", early.id)
    last = await cairn.reach(execution.id, "completed")
    assert [each[:2] for each in ids(last)[:4]] == [each[:2] for each in ids(done)[:4]]
    assert len(ids(last)) == ROUNDS + 1
    (entry,) = (await lineage(cairn, execution.id)).resets
    assert (entry.kind, entry.checkpoint_id) == ("replay", early.id)
    read.clear()
    assert (await lineage(cairn, execution.id)).resets == [entry]
    assert read == []
