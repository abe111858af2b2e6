"""All workflows that a worker serves."""

from __future__ import annotations

from workflows.collect_blobs import CollectBlobs
from workflows.graph_execution import GraphExecution
from workflows.map_execution import MapExecution
from workflows.reconcile import Reconcile
from workflows.reset_execution import ResetExecution
from workflows.scheduled_start import ScheduledStart

WORKFLOWS: list[type] = [GraphExecution, MapExecution, ResetExecution, Reconcile, ScheduledStart, CollectBlobs]
