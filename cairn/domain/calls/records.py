"""The table of calls: one row an execution, written when its call ends and again when a reset lets it end anew."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from cairn.contracts.calls import CallRecord
from cairn.domain.executions.workflow_side import row_of
from cairn.persistence.repository import insert_into
from cairn.persistence.tables import CallRow


async def write_call(session: AsyncSession, told: CallRecord) -> None:
    """Write what is known of a call that has ended; what is known already of the same execution gives way."""
    execution = await row_of(session, told.temporal_id)
    if execution is None:
        return
    values = {
        "tenant": execution.tenant,
        "live": execution.live,
        "execution_id": execution.id,
        "graph_id": execution.graph_id,
        "graph_version_id": execution.version_id,
        "created_at": execution.created_at,
        **{name: _storable(value) for name, value in told.model_dump(exclude={"temporal_id", "run_id"}).items()},
    }
    query = insert_into(session, CallRow).values(values)
    changed = {name: value for name, value in values.items() if name not in ("tenant", "execution_id")}
    await session.execute(query.on_conflict_do_update(index_elements=["tenant", "execution_id"], set_=changed))


def _storable(value: object) -> object:
    """Callers and models can say NUL, which PostgreSQL takes in no text: a call that cannot be written never ends."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
