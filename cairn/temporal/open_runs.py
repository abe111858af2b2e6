"""What Temporal lists of open executions: many at a time, and some moments late."""

from __future__ import annotations

import re
from collections.abc import Sequence

from temporalio.client import Client

from cairn.contracts.executions import WORKFLOW_TYPE
from cairn.temporal.connection import RPC_TIMEOUT, answered_all
from workflows.graph_execution import STATE

_PLAIN = re.compile(r"[^'\\]+\Z")


async def open_runs(client: Client, temporal_ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """Return run and state of those of the executions that are listed as open; ids that need quoting are left out.

    Args:
        client: of the server.
        temporal_ids: some hundred at the most, since all are in one query.

    Raises:
        Unavailable: Temporal does not answer.
    """
    ids = ", ".join(f"'{temporal_id}'" for temporal_id in temporal_ids if _PLAIN.match(temporal_id))
    if not ids:
        return {}
    query = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running' AND WorkflowId IN ({ids})"
    listed = client.list_workflows(query, rpc_timeout=RPC_TIMEOUT)
    return {run.id: (run.run_id, run.typed_search_attributes.get(STATE)) async for run in answered_all(listed)}
