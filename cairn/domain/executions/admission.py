"""What a start asks before its row is written: which version it runs, if the input fits, if the budget allows it."""

from __future__ import annotations

from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncSession

from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.start import check_command
from cairn.domain.graphs.model import GraphVersion
from cairn.domain.graphs.pinned import LOOK_UPS, LookUps, looked_up, version_of, version_to_run
from cairn.domain.usage import check_budget, require_budget
from cairn.domain.usage.rows import budgets_in, with_budgets
from cairn.errors import FieldError, InvalidInput
from cairn.graph.compiled import input_schema_of
from cairn.graph.schema import validate_json
from cairn.persistence.repository import Scope
from cairn.settings import Settings

_LOOK_UPS: LookUps = {kind: with_budgets(query, bindparam("payer")) for kind, query in LOOK_UPS.items()}


async def resolve(session: AsyncSession, scope: Scope, command: StartExecution) -> GraphVersion:
    """Return the version that an execution would be pinned to if it were started now.

    Raises:
        NotFound: no such graph.
        Conflict: the graph has no published version or cannot be run.
        InvalidInput: the input breaks the graph's schema, or the metadata their limits.
    """
    check_command(command)
    version = await version_to_run(session, scope, command.workflow_id, draft=command.draft)
    return _fitting(version, command)


async def admit(
    session: AsyncSession, scope: Scope, command: StartExecution, payer: str, settings: Settings
) -> GraphVersion:
    """Return the version that a new execution is pinned to, if its tenant and ``payer``, a user, may start one.

    Raises:
        RateLimited: the monthly budget is used up (``budget_exceeded``).
        NotFound, Conflict, InvalidInput: as of ``resolve``.
    """
    if command.draft:
        version = await resolve(session, scope, command)
        await require_budget(session, scope, payer, settings)
        return version
    check_command(command)
    found = await looked_up(session, scope, command.workflow_id, _LOOK_UPS, payer=payer)
    version = _fitting(await version_of(session, found[0]), command)
    check_budget(budgets_in(scope, found), payer, settings)
    return version


def _fitting(version: GraphVersion, command: StartExecution) -> GraphVersion:
    schema = input_schema_of(version.definition)
    if schema is not None and (broken := validate_json(schema, command.input_data)):
        fields = [FieldError(f"/input_data{each.pointer}", each.message) for each in broken]
        raise InvalidInput("The input breaks the graph's schema", errors=fields)
    return version
