"""Runs workflows so that what they store is owned by every workflow whose history will refer to it.

Temporal copies some payloads of one workflow into another's history: what a parent starts a child with, and how the
child ended. The SDK stores such a payload for one of the two; the other may outlive it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.converter import SerializationContext, StorageDriverStoreContext, StorageDriverWorkflowInfo
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails
from temporalio.workflow import Info

from cairn.temporal.blobs import SharedTarget

if TYPE_CHECKING:
    from temporalio.bridge.proto.workflow_activation import WorkflowActivation
    from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
    from temporalio.worker._command_aware_visitor import CommandInfo


class OwningWorkflowRunner(UnsandboxedWorkflowRunner):
    """Runs workflows unsandboxed and sees to the owners of what they store."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make the instance of a run."""
        return _OwningInstance(super().create_instance(det))


class _OwningInstance(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance) -> None:
        self._instance = instance

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._instance.activate(act)

    def get_serialization_context(self, command_info: CommandInfo | None) -> SerializationContext | None:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: CommandInfo | None) -> StorageDriverStoreContext:
        chosen = self._instance.get_external_store_context(command_info)
        target, info = chosen.target, self._instance.get_info()
        if not isinstance(target, StorageDriverWorkflowInfo):
            return chosen
        # Of another workflow: a child's start, a signal, or this child's result. Else, without a command of its own,
        # it may be this child's failure.
        parent = info.parent.workflow_id if info.parent else None
        also = info.workflow_id if target.id != info.workflow_id else parent if command_info is None else None
        if also is None:
            return chosen
        return StorageDriverStoreContext(
            target=SharedTarget(
                id=target.id, also=also, namespace=target.namespace, run_id=target.run_id, type=target.type
            )
        )

    def get_info(self) -> Info:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()
