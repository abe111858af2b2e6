"""Long executions: thousands of steps over many runs, with everything else going on, told as one story."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from graphs import edge, node, noting, sequence
from installation import Cairn, until
from people import answer, asked, send

from cairn.domain.executions.events import ExecutionEvent
from cairn.domain.executions.stream import Following
from cairn.settings import Settings

BRANCHES = 10


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Go on in a new run after few events."""
    return settings.model_copy(update={"history_limit": 300})


def long(rounds: int) -> dict:
    """Loops side by side, beside a question, an event, a time and a map."""
    loops = [str(number) for number in range(BRANCHES)]
    body = sequence(noting("item"), node("end", "end", output={"got": "item"}))
    beside = [
        node("ask", "question", prompt="?"),
        node("paid", "wait", event={"name": "paid"}),
        node("nap", "wait", seconds=1),
        node("each", "map", items="[1, 2, 3, 4, 5, 6]", body=body, concurrency=2),
    ]
    return {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            *[noting(f"step{each}", max_visits=rounds) for each in loops],
            *beside,
            node("meet", "join"),
            node("end", "end", output={"all": "outputs.meet"}),
        ],
        "edges": [
            edge("start", "fan"),
            *[edge("fan", f"step{each}", each) for each in loops],
            *[
                edge(f"step{each}", f"step{each}", "again", expression=f"execution.visits.step{each} < {rounds}")
                for each in loops
            ],
            *[edge(f"step{each}", "meet", "done") for each in loops],
            *[made for each in beside for made in (edge("fan", each["id"], each["id"]), edge(each["id"], "meet"))],
            edge("meet", "end"),
        ],
    }


async def heard(cairn: Cairn, execution_id: str, after: int | None = None) -> list[ExecutionEvent]:
    async with cairn.executions() as service:
        stream = await service.events(execution_id, Following(-1 if after is None else after))
    return [event async for event in stream]


@pytest.mark.parametrize(
    "steps", [500, pytest.param(3000, marks=[pytest.mark.chaos, pytest.mark.timeout(600)])], ids=str
)
async def test_nothing_is_lost_or_doubled_over_many_runs(cairn: Cairn, world, steps: int, monkeypatch) -> None:
    execution = await cairn.run(long(steps // BRANCHES))
    follower = asyncio.create_task(heard(cairn, execution.id))
    request = await asked(cairn, execution.id)

    async def at(share: float) -> None:
        await until(lambda: len(world.of(execution.id)) >= share * steps, deadline=500)

    await at(0.3)
    async with cairn.executions() as service:
        await service.pause(execution.id)
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await at(0.5)
    await answer(cairn, execution.id, request, "yes")
    await at(0.7)
    await send(cairn, execution.id, "paid", 5)
    done = await until(lambda: _ended(cairn, execution.id), deadline=500)

    # Nothing lost, nothing done twice.
    each = {str(number): {"entry": f"step{number}", "value": None} for number in range(BRANCHES)}
    beside = {"ask": "yes", "paid": 5, "nap": None, "each": [{"got": number} for number in range(1, 7)]}
    assert done.output_data == {"all": {**each, **beside}}
    assert Counter(world.of(execution.id)) == {f"step{number}": steps // BRANCHES for number in range(BRANCHES)}
    assert done.revision == 3
    runs = list(dict.fromkeys(c.run_id for c in done.checkpoints))
    assert len(runs) > 4
    assert [c.step for c in done.checkpoints] == list(range(len(done.checkpoints)))

    # One story, whenever one begins to listen.
    events = await follower
    _is_whole(events, done)
    middle = events[len(events) // 2].seq
    assert await heard(cairn, execution.id, middle) == [event for event in events if event.seq > middle]
    assert await heard(cairn, execution.id) == events
    assert await heard(cairn, execution.id, events[-1].seq) == []

    # What a run hands to the next does not grow with the steps.
    carries = [(await cairn.temporal.reader.events(execution.id, run))[0].start.carry for run in runs[1:]]
    sizes = [len(json.dumps({**carry, "line": []})) for carry in carries]
    assert max(sizes) <= sizes[0] * 1.2

    # Runs that have ended are not read again.
    read = []
    reader, original = cairn.temporal.reader, cairn.temporal.reader.events
    monkeypatch.setattr(reader, "events", lambda *given: read.append(given) or original(*given))
    assert len((await cairn.get(execution.id)).checkpoints) == len(done.checkpoints)
    assert not read


async def _ended(cairn: Cairn, execution_id: str):
    now = await cairn.get(execution_id)
    assert now.status in ("running", "paused", "completed"), now.error
    return now if now.status == "completed" else None


def _is_whole(events: list[ExecutionEvent], done) -> None:
    seqs = [event.seq for event in events]
    assert seqs == sorted(set(seqs))
    told = [(e.data["checkpoint_id"], e.data["step"]) for e in events if e.type == "checkpoint"]
    assert told == [(c.id, c.step) for c in done.checkpoints[1:]]
    kinds = Counter(event.type for event in events)
    assert kinds["node_started"] == kinds["node_completed"] == len(told)
    statuses = [event.data["status"] for event in events if event.type == "status"]
    assert statuses == ["running", "paused", "running", "completed"]
