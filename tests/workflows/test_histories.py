"""Histories of released behaviour: workflow code has to replay each of them, and the projection to read it.

Each release has a folder, whose histories are never changed: one that no longer replays means that running executions
would break. ``pytest tests/system --record-histories`` (``-m history``, or one test) writes those of the tests marked
``history(name)`` to the folder ``next``, which a release gives its number; each needs a line in ``EXPECTED``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from cairn.contracts.executions import Phase
from cairn.temporal.checkpoints import Projection
from cairn.temporal.events import Closed, Event, TaskCutOff, TaskStarted, WasReset
from cairn.temporal.history import read
from cairn.temporal.replay import SINGLE_BATCH, replayer

FOLDER = Path(__file__).parent.parent / "histories"
EXPECTED = {
    # release/name: (phase, checkpoints, resets, revision)
    "0.1.0/sequence": (Phase.COMPLETED, ["start", "a", "b"], 0, 0),
    "0.1.0/loop": (Phase.COMPLETED, ["start", "body", "body", "body"], 0, 0),
    "0.1.0/parallel": (Phase.COMPLETED, ["start", "right", "left"], 0, 0),
    "0.1.0/failure": (Phase.FAILED, ["start", "a"], 0, 0),
    "0.1.0/error_edge": (Phase.COMPLETED, ["start", "repair"], 0, 0),
    "0.1.0/visit_limit": (Phase.COMPLETED, ["start", "body", "body", "body"], 0, 1),
    "0.1.0/pause": (Phase.COMPLETED, ["start", "a", "b"], 0, 2),
    "0.1.0/cancel": (Phase.CANCELLED, ["start"], 0, 1),
    "0.1.0/rollback_resume": (Phase.COMPLETED, ["start", "a", "b", "c"], 1, 2),
    "0.1.0/replay_failed": (Phase.COMPLETED, ["start", "a", "b", "c"], 1, 2),
    "0.1.0/reset_after_last": (Phase.COMPLETED, ["start", "a", "b", "c"], 1, 2),
    "0.1.0/reset_in_flight": (Phase.COMPLETED, ["start", "a", "quick", "left", "right"], 1, 2),
    "0.1.0/replay_of_replay": (Phase.COMPLETED, ["start", "a", "b", "c"], 3, 6),
    "0.1.0/patches": (Phase.COMPLETED, ["start", "a", "b"], 2, 6),
    "0.1.0/operator_reset": (Phase.COMPLETED, ["start", "a", "gate", "c"], 1, 5),
    "0.1.0/operator_reset_to_start": (Phase.PAUSED, ["start"], 1, 1),
    "0.1.0/operator_reset_cancelled": (Phase.CANCELLED, ["start", "a"], 1, 2),
    "next/agent_approval": (Phase.COMPLETED, ["start", "ask: calculate", "ask"], 1, 3),
    "next/agent_tools": (Phase.COMPLETED, ["start", "ask: calculate", "ask"], 0, 0),
    "next/answered_by_signal": (Phase.COMPLETED, ["start", "ask", "number"], 0, 2),
    "next/approval": (Phase.COMPLETED, ["start", "ask", "pay"], 0, 1),
    "next/approval_expired": (Phase.COMPLETED, ["start", "ask", "left"], 0, 0),
    "next/approval_rollback": (Phase.COMPLETED, ["start", "a", "ask", "b"], 1, 4),
    "next/beside_slow_work": (None, ["start", *["step"] * 18, "gate"], 0, 0),
    "next/call": (
        Phase.COMPLETED,
        ["start", "turn 1: order_pizza", "turn 1", "turn 2", "turn 3: finished", "turn 3"],
        0,
        0,
    ),
    "next/call_rollback": (Phase.CANCELLED, ["start", "turn 1", "turn 2: reserve_table", "turn 2"], 1, 3),
    "next/cancel": (Phase.CANCELLED, ["start"], 0, 1),
    "next/child_anew": (Phase.COMPLETED, ["start", "a", "sub"], 1, 5),
    "next/child_heard_after_resets": (Phase.COMPLETED, ["start", "g1", "g2", "sub", "g3"], 2, 4),
    "next/child_of_earlier_run": (Phase.COMPLETED, ["sub"], 0, 2),
    "next/child_paused_by_reset": (Phase.COMPLETED, ["start", "gate", "sub"], 1, 4),
    "next/child_timeout": (Phase.COMPLETED, ["start", "late sub", "late each", "late nap"], 1, 2),
    "next/continued": (Phase.COMPLETED, ["step", "ask", "paid"], 0, 1),
    "next/escalated": (Phase.COMPLETED, ["start", "ask", "after"], 0, 1),
    "next/join_any": (Phase.COMPLETED, ["start", "quick", "after"], 0, 0),
    "next/join_collect": (Phase.COMPLETED, ["start", "good", "after"], 0, 0),
    "next/map": (Phase.COMPLETED, ["start", "each"], 0, 0),
    "next/migrated": (Phase.COMPLETED, ["start", "a", "gate", "c", "d"], 0, 3),
    "next/migrated_back": (Phase.PAUSED, ["start", "a"], 1, 4),
    "next/over_budget": (Phase.COMPLETED, ["start", "a", "b"], 0, 2),
    "next/question": (Phase.COMPLETED, ["start", "ask"], 0, 1),
    "next/segment": (Phase.COMPLETED, ["start", "c", "t", "d"], 0, 0),
    "next/segment_kept_beside": (Phase.COMPLETED, ["start", "gate", "after"], 1, 2),
    "next/subagent": (Phase.COMPLETED, ["start", "agent"], 0, 0),
    "next/subagent_replay": (Phase.COMPLETED, ["start", "agent"], 2, 4),
    "next/subgraph": (Phase.COMPLETED, ["start", "sub"], 0, 0),
    "next/tool_approval": (Phase.COMPLETED, ["start", "pay"], 0, 1),
    "next/wait_event": (Phase.COMPLETED, ["start", "gate", "paid"], 0, 0),
    "next/wait_seconds": (Phase.COMPLETED, ["start", "nap", "b"], 0, 0),
    "next/wait_timeout": (Phase.COMPLETED, ["start", "late"], 0, 0),
}


def history(name: str) -> WorkflowHistory:
    told = (FOLDER / f"{name}.json").read_text()
    # The ids of children and requests follow from the workflow's own.
    begun = json.loads(told)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(begun.get("workflowId", "execution"), told)


async def project(name: str, capture: str | None = None) -> Projection:
    projection = Projection(capture)
    projection.feed(await read(history(name).events, pydantic_data_converter))
    projection.settle()
    return projection


def test_every_stored_history_has_its_expectation() -> None:
    assert {f"{file.parent.name}/{file.stem}" for file in FOLDER.glob("*/*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
async def test_it_replays(name: str) -> None:
    await replayer(pydantic_data_converter).replay_workflow(history(name))


@pytest.mark.parametrize(
    "failure",
    [
        {"message": "timed out", "timeoutFailureInfo": {"timeoutType": "TIMEOUT_TYPE_SCHEDULE_TO_CLOSE"}},
        {"message": "busy", "applicationFailureInfo": {"type": "unavailable"}},
    ],
    ids=["timeout", "error"],
)
async def test_a_state_that_could_not_be_recorded_replays(failure: dict[str, object]) -> None:
    # The failure of a local activity is the activity's own in a replay, whatever it was wrapped in at first.
    told = json.loads((FOLDER / "0.1.0/pause.json").read_text())
    markers = [e["markerRecordedEventAttributes"] for e in told["events"] if "markerRecordedEventAttributes" in e]
    for marker in markers[1:]:  # the first one is the landing
        del marker["details"]["result"]
        marker["failure"] = failure
    changed = WorkflowHistory.from_json("execution", told)
    await replayer(pydantic_data_converter).replay_workflow(changed)
    projection = Projection()
    projection.feed(await read(changed.events, pydantic_data_converter))
    projection.settle()
    assert projection.engine.revision == EXPECTED["0.1.0/pause"][3]


@pytest.mark.parametrize("name", EXPECTED)
async def test_the_projection_reads_it(name: str) -> None:
    phase, names, resets, revision = EXPECTED[name]
    projection = await project(name)
    assert (projection.closed.phase if projection.closed else projection.engine.phase) == phase
    assert sorted(c.name for c in projection.checkpoints) == sorted(names)
    assert len(projection.resets) == resets
    assert projection.engine.revision == revision
    points = [c.point for c in projection.checkpoints]
    assert points == sorted(points)
    assert len({c.id for c in projection.checkpoints}) == len(points)


@pytest.mark.parametrize("name", EXPECTED)
async def test_fed_event_by_event_it_reads_the_same(name: str) -> None:
    whole, slowly = await project(name), Projection()
    for event in await read(history(name).events, pydantic_data_converter):
        slowly.feed([event])
    slowly.settle()
    assert slowly.checkpoints == whole.checkpoints
    assert slowly.engine.phase == whole.engine.phase
    assert slowly.engine.state.outputs == whole.engine.state.outputs


@pytest.mark.parametrize("name", EXPECTED)
async def test_its_state_at_the_last_checkpoint_has_that_nodes_result(name: str) -> None:
    last = (await project(name)).checkpoints[-1]
    snapshot = (await project(name, last.id)).state_at(last)
    assert snapshot is not None
    assert last.node_id is None or last.node_id in snapshot.outputs


async def test_points_are_workflow_tasks_that_saw_the_completion() -> None:
    events = {e.event_id: e for e in history("0.1.0/sequence").events}
    for checkpoint in (await project("0.1.0/sequence")).checkpoints:
        completed = events[checkpoint.point].workflow_task_completed_event_attributes
        assert completed.started_event_id > checkpoint.event_id


async def test_a_completion_that_no_task_has_seen_has_no_point_until_the_run_is_closed() -> None:
    events = await read(history("0.1.0/sequence").events, pydantic_data_converter)
    last = next(e for e in reversed(events) if type(e).__name__ == "WorkCompleted")
    projection = Projection()
    projection.feed(events[: events.index(last) + 1])
    projection.settle()
    assert [c.resettable for c in projection.checkpoints] == [True, True, False]
    assert projection.state_at(projection.checkpoints[-1]).outputs["b"] == last.result.value


async def test_what_came_during_a_workflow_task_that_was_cut_off_cannot_be_reset_to() -> None:
    events = await read(history("0.1.0/sequence").events, pydantic_data_converter)
    last = next(e for e in reversed(events) if type(e).__name__ == "WorkCompleted")
    before = [*events[: events.index(last)], TaskStarted(last.id, last.at)]

    async def resettable(*rest: Event) -> list[bool]:
        projection = Projection()
        projection.feed([*before, *rest])
        projection.settle()
        return [c.resettable for c in projection.checkpoints]

    cut, came = TaskCutOff(last.id + 1, last.at), replace(last, id=last.id + 2)
    end = Closed(last.id + 3, last.at, Phase.CANCELLED, terminated=True)
    assert await resettable(cut, came, end) == [True, True, False]
    whole = replace(last, id=last.id + 1)
    assert await resettable(whole, replace(cut, id=last.id + 2), end) == [True, True, True]


async def test_the_ids_of_kept_checkpoints_outlive_resets() -> None:
    projection = await project("0.1.0/rollback_resume")
    reset = projection.resets[0]
    assert isinstance(reset, WasReset)
    kept = Projection()
    kept.feed(
        e for e in await read(history("0.1.0/rollback_resume").events, pydantic_data_converter) if e.id < reset.id
    )
    kept.settle()
    before, after = [c.id for c in kept.checkpoints], [c.id for c in projection.checkpoints]
    assert after[: len(before)] == before


def test_jobs_of_an_activation_are_one_batch() -> None:
    """Reapplied commands must not be handled before the workflow knows of the reset (see ``cairn.temporal.replay``)."""
    for name in EXPECTED:
        first = next(e for e in history(name).events if e.HasField("workflow_task_completed_event_attributes"))
        assert SINGLE_BATCH.value in first.workflow_task_completed_event_attributes.sdk_metadata.lang_used_flags, name
