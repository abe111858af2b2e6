"""The activity that is nothing but a checkpoint."""

from __future__ import annotations

from temporalio import activity

from activities.guard import guard
from cairn.contracts.nodes import MARK_CHECKPOINT, NodeCall, NodeResult


@activity.defn(name=MARK_CHECKPOINT.name)
async def mark_checkpoint(call: NodeCall) -> NodeResult:
    """Do nothing: the completion is in history, so that a reset can lead to it."""
    guard(call)
    return NodeResult()
