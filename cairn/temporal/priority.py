"""What decides whose work a worker takes first: an execution's priority, and fairness among tenants."""

from __future__ import annotations

from temporalio.common import Priority

from cairn.contracts.json import JsonObject
from cairn.settings import Settings

_PRIORITIES = {"high": 1, "normal": 3, "low": 5}


def priority_of(tenant: str, metadata: JsonObject, settings: Settings) -> Priority:
    """Return the priority of an execution's workflow; its activities and children inherit it.

    Higher priorities go first. Within one, tenants take turns by their weights, however much each of them has queued.

    Args:
        tenant: owner of the execution.
        metadata: the execution's; ``priority`` may be low, normal or high.
        settings: with the weights of tenants.
    """
    return Priority(
        priority_key=_PRIORITIES.get(str(metadata.get("priority"))),
        fairness_key=tenant,
        fairness_weight=settings.fairness_weights.get(tenant),
    )
