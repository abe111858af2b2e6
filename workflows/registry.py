"""All workflows that a worker serves."""

from __future__ import annotations

from workflows.collect_blobs import CollectBlobs
from workflows.direct_call import DirectCall
from workflows.graph_execution import GraphExecution
from workflows.map_execution import MapExecution
from workflows.reconcile import Reconcile
from workflows.reset_execution import ResetExecution
from workflows.scheduled_start import ScheduledStart
from workflows.tool_trials import DescribeMcpTool, TryTool
from workflows.write_graph import WriteGraph

WORKFLOWS: list[type] = [
    GraphExecution,
    MapExecution,
    ResetExecution,
    Reconcile,
    ScheduledStart,
    CollectBlobs,
    WriteGraph,
    DirectCall,
    TryTool,
    DescribeMcpTool,
]

UPGRADED: frozenset[type] = frozenset(
    {ResetExecution, Reconcile, ScheduledStart, CollectBlobs, WriteGraph, DirectCall, TryTool, DescribeMcpTool}
)
"""Those that serve executions: with Worker Versioning they follow the current version, others end where they began.

They do not declare it by themselves: a worker without a version may not.
"""
