"""The omium surface: executions from start to end."""

from __future__ import annotations

from graphs import noting, sequence
from served import Caller


async def test_an_execution_is_started_and_read_with_its_checkpoints(caller: Caller, world) -> None:
    started = await caller.start(
        sequence(noting("a"), noting("b")), input_data={"q": 1}, metadata={"user_id": "user_123", "priority": "high"}
    )
    assert started["status"] == "running"
    done = await caller.reach(started["id"], "completed")
    assert done["output_data"] == {"done": True}
    assert done["input_data"] == {"q": 1}
    assert done["metadata"] == {"user_id": "user_123", "priority": "high"}
    assert [c["name"] for c in done["checkpoints"]] == ["start", "a", "b"]
    assert done["checkpoint_count"] == 3
    assert done["current_checkpoint_id"] == done["last_successful_checkpoint_id"] == done["checkpoints"][-1]["id"]
    assert done["created_at"].endswith("Z")
    assert done["temporal"]["workflow_id"] == started["id"]
    assert done["revision"] == 0 and done["error"] is None and done["parent_execution_id"] is None
