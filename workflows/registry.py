"""All workflows that a worker serves."""

from __future__ import annotations

from workflows.graph_execution import GraphExecution
from workflows.reconcile import Reconcile
from workflows.reset_execution import ResetExecution

WORKFLOWS: list[type] = [GraphExecution, ResetExecution, Reconcile]
