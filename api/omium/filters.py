"""The filters of the list of executions, from the query string."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from api.kit.timestamps import UtcQuery
from cairn.domain.executions.model import ExecutionFilter, Status
from cairn.errors import FieldError, InvalidInput

_PREFIX = "metadata."
MAX_METADATA = 20
"""So many conditions on metadata may be given at once."""

METADATA_PARAMETER = {
    "name": "metadata",
    "in": "query",
    "required": False,
    "style": "form",
    "explode": True,
    "description": (
        "Any number of `metadata.<key>=<value>`, as `metadata.user_id=user_123`: executions whose metadata have that "
        'value at that key. `metadata.n=5` finds both 5 and "5".'
    ),
    "schema": {
        "type": "object",
        "propertyNames": {"pattern": r"^metadata\..+$"},
        "maxProperties": MAX_METADATA,
        "additionalProperties": {"type": "string"},
    },
    # Swagger UI sends what an example says, or else makes one up.
    "example": {},
}
"""How OpenAPI writes free query parameters: the members of an exploded object are parameters of their own."""


async def execution_filter(
    request: Request,
    workflow_id: Annotated[str | None, Query(max_length=255, description="Id or uuid of the graph.")] = None,
    status: Annotated[Status | None, Query()] = None,
    created_after: Annotated[UtcQuery | None, Query(description="At this time or later.")] = None,
    created_before: Annotated[UtcQuery | None, Query(description="At this time or earlier.")] = None,
    parent_execution_id: Annotated[
        str | None, Query(max_length=255, description="Children of this execution; without it, no children are listed.")
    ] = None,
) -> ExecutionFilter:
    """Return what the query asks for; all filters hold at once."""
    return ExecutionFilter(workflow_id, status, _metadata(request), created_after, created_before, parent_execution_id)


def _metadata(request: Request) -> dict[str, str]:
    given = [(n.removeprefix(_PREFIX), v) for n, v in request.query_params.multi_items() if n.startswith(_PREFIX)]
    found = dict(given)
    if "" in found:
        raise _refused("A metadata filter names no key.", "/metadata.", "names no key")
    if len(found) > MAX_METADATA:
        message = f"at most {MAX_METADATA} metadata filters"
        raise _refused(f"There may be {message}.", "/metadata", message)
    if len(found) < len(given):
        raise _refused("A metadata filter is given twice.", "/metadata", "given twice")
    return found


def _refused(message: str, parameter: str, said: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError(parameter, said, part="query")])


Filtered = Annotated[ExecutionFilter, Depends(execution_filter)]
