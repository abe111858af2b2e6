"""The search attributes that an execution's workflow is started with."""

from __future__ import annotations

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from cairn.contracts import operations
from cairn.contracts.executions import ExecutionInput, Phase


def execution_attributes(start: ExecutionInput) -> TypedSearchAttributes:
    """Return the search attributes of an execution that is about to be started."""
    keywords = {
        operations.SEARCH_STATE: Phase.RUNNING.value,
        operations.SEARCH_TENANT: start.tenant,
        operations.SEARCH_WORKFLOW: start.graph.workflow_id,
        operations.SEARCH_SURFACE: start.surface,
    }
    pairs = [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in keywords.items()]
    revision = SearchAttributePair(SearchAttributeKey.for_int(operations.SEARCH_REVISION), 0)
    return TypedSearchAttributes([*pairs, revision])
