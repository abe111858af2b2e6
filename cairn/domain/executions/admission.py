"""What a start asks before its row is written: which version it runs, if the input fits, if the budget allows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.start import check_command
from cairn.domain.graphs.model import GraphVersion
from cairn.domain.graphs.pinned import LOOK_UPS, LookUps, looked_up, version_of, version_to_run
from cairn.domain.usage import check_budget, require_budget
from cairn.domain.usage.model import WHOLE
from cairn.errors import FieldError, InvalidInput
from cairn.graph.compiled import input_schema_of
from cairn.graph.schema import validate_json
from cairn.persistence.repository import Scope, owned_by_caller
from cairn.persistence.tables import BudgetRow
from cairn.settings import Settings


def _with_budgets(look_up: Select[Any]) -> Select[Any]:
    """Return the statement that reads the budgets, too: a row for each that there is, one at least."""
    of_payer = or_(col(BudgetRow.user_id) == WHOLE, col(BudgetRow.user_id) == bindparam("payer"))
    query = look_up.outerjoin(BudgetRow, and_(*owned_by_caller(BudgetRow), of_payer))
    columns = BudgetRow.user_id, BudgetRow.monthly_limit, BudgetRow.month, BudgetRow.spent
    return query.add_columns(*(col(column) for column in columns))


_LOOK_UPS: LookUps = {kind: _with_budgets(query) for kind, query in LOOK_UPS.items()}


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
    check_budget({row.user_id: _budget(scope, row) for row in found if row.user_id is not None}, payer, settings)
    return version


def _budget(scope: Scope, found: Row[Any]) -> BudgetRow:
    return BudgetRow(
        tenant=scope.tenant,
        user_id=found.user_id,
        monthly_limit=found.monthly_limit,
        month=found.month,
        spent=found.spent,
    )


def _fitting(version: GraphVersion, command: StartExecution) -> GraphVersion:
    schema = input_schema_of(version.definition)
    if schema is not None and (broken := validate_json(schema, command.input_data)):
        fields = [FieldError(f"/input_data{each.pointer}", each.message) for each in broken]
        raise InvalidInput("The input breaks the graph's schema", errors=fields)
    return version
