"""Starting an execution by the public path of a graph's trigger."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlmodel import col

from cairn import errors
from cairn.contracts.json import Json, JsonObject
from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.service import ExecutionService
from cairn.persistence.repository import Repository
from cairn.persistence.tables import ExecutionRow, GraphRow, GraphTriggerRow


@dataclass(frozen=True, slots=True)
class Dial:
    """What a caller of a trigger asks for.

    Attributes:
        path: of the trigger.
        phone_number: of the other side, E.164.
        initial_context: what texts and expressions of the graph know from the start.
        draft: run the graph's draft.
    """

    path: str
    phone_number: str | None = None
    initial_context: JsonObject = field(default_factory=dict[str, Json])
    draft: bool = False


async def create_by_trigger(executions: ExecutionService, dial: Dial, resource_id: str | None = None) -> ExecutionRow:
    """Insert an execution of the graph that has the trigger; after the commit it is to be started.

    Args:
        executions: of the caller.
        dial: what is asked for.
        resource_id: the id that a crashed try of the same request had taken.

    Raises:
        NotFound: the caller's scope has no graph with this trigger (``trigger_not_found``).
        Conflict: the trigger is disabled (``trigger_disabled``), the graph archived or not published.
        InvalidInput: the input breaks the graph's schema, or the draft is not valid.
    """
    triggers = Repository(executions.session, GraphTriggerRow)
    named = dial.path if dial.path.isascii() and dial.path.isprintable() else ""
    found = await triggers.get(executions.principal.scope, col(GraphTriggerRow.path) == named)
    if found is None:
        raise _unknown()
    number = {"phone_number": dial.phone_number} if dial.phone_number is not None else {}
    command = StartExecution(
        workflow_id=str(found.graph_id),
        input_data={**dial.initial_context, **number},
        surface="voice",
        draft=dial.draft,
    )
    try:
        version = await executions.resolve(command)
    except errors.InvalidInput as error:
        raise _as_sent(error) from error
    _check_enabled(version.definition, dial.path)
    return await executions.create(command, resource_id, version)


async def name_of(executions: ExecutionService, row: ExecutionRow) -> str:
    """Return what an execution is called beside its id."""
    graph = await executions.session.get(GraphRow, row.graph_id)
    return f"{graph.name if graph is not None else row.workflow_uuid} {row.created_at:%Y-%m-%d %H:%M:%S}"


def _as_sent(error: errors.InvalidInput) -> errors.InvalidInput:
    """Return an error whose pointers are into what the caller has sent."""
    said = [errors.FieldError(_pointer(each.pointer), each.message) for each in error.errors]
    return errors.InvalidInput(error.message, code=error.code, errors=said, extra=error.extra)


def _pointer(pointer: str) -> str:
    inside = pointer.removeprefix("/input_data")
    return inside if inside == "/phone_number" else f"/initial_context{inside}"


def _check_enabled(definition: JsonObject, path: str) -> None:
    """Refuse a path that the version to run does not have (its draft or a later one does), or has switched off."""
    nodes = (node["data"] for node in definition["nodes"] if node["type"] == "trigger")
    data = next((data for data in nodes if data.get("trigger_path") == path), None)
    if data is None:
        raise _unknown()
    if data.get("enabled") is False:
        raise errors.Conflict("The trigger is disabled.", code="trigger_disabled")


def _unknown() -> errors.NotFound:
    return errors.NotFound("No such trigger.", code="trigger_not_found")
