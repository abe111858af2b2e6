"""Values over 64 KiB, on a real Temporal server: history keeps references, everybody else sees the values."""

from __future__ import annotations

from graphs import node, noting, sequence
from installation import Cairn

KILOBYTES = 300
TEXT = "x" * (KILOBYTES * 1024)
GRAPH = sequence(
    node("make", "tool", tool="large", arguments={"kilobytes": str(KILOBYTES)}, output="made"),
    noting("note"),
    node("pass", "tool", tool="echo", arguments={"value": "state.made.text"}),
    node("end", "end", output={"text": "outputs.pass", "given": "input.text"}),
    state={"made": {}},
)
INPUT = {"text": "é" * 100_000}
OUTPUT = {"text": TEXT, "given": INPUT["text"]}
LARGEST_EVENT = 8 * 1024


async def test_large_values_pass_through_an_execution_and_not_through_its_history(cairn: Cairn) -> None:
    execution = await cairn.run(GRAPH, INPUT)
    done = await cairn.reach(execution.id, "completed")
    assert (done.input_data, done.output_data) == (INPUT, OUTPUT)
    history = await cairn.history(execution.id)
    assert max(event.ByteSize() for event in history.events) < LARGEST_EVENT
    blobs = [path for path in (cairn.settings.home / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) >= 3


async def test_a_worker_that_did_not_see_the_values_goes_on_after_a_replay(idle_cairn: Cairn, world) -> None:
    async with idle_cairn.worker():
        execution = await idle_cairn.run(GRAPH, INPUT)
        await idle_cairn.reach(execution.id, "completed")
    async with idle_cairn.worker():
        await idle_cairn.reset(execution.id, "replay", "note")
        again = await idle_cairn.reach(execution.id, "completed")
    assert again.output_data == OUTPUT
    assert len(world.effects("note")) == 1


async def test_the_state_at_a_checkpoint_holds_the_values(cairn: Cairn) -> None:
    execution = await cairn.run(GRAPH, INPUT)
    done = await cairn.reach(execution.id, "completed")
    (made,) = (checkpoint for checkpoint in done.checkpoints if checkpoint.name == "make")
    async with cairn.executions() as service:
        seen = await service.checkpoint(execution.id, made.id)
    assert seen.state["made"] == {"text": TEXT}
