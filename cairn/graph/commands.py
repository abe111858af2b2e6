"""Which commands an execution takes: refused here, carried out by :class:`cairn.graph.engine.Engine`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cairn.contracts.executions import Answer, Command, Migrate, Patch, Phase, Resume
from cairn.errors import Conflict
from cairn.graph import waits
from cairn.graph.migrate import check_migration
from cairn.graph.patches import check_patches

if TYPE_CHECKING:
    from cairn.graph.engine import Engine


def check_command(engine: Engine, command: Command, now: datetime) -> None:
    """Refuse a command that does not fit.

    Args:
        engine: of the execution.
        command: the command.
        now: workflow time.

    Raises:
        Conflict: meant for another line or revision, or the execution has ended, or is not paused (patch,
            migrate), or the request is not open (answer), or the other version lacks a node (migrate).
        InvalidInput: a patch or an answer that breaks a schema.
    """
    if not engine.started:
        raise Conflict("the execution is starting", code="not_started")
    if engine.lineage is None:
        raise Conflict("a reset of the execution is landing", code="reset_in_progress")
    if command.lineage not in engine.line:
        raise Conflict("the command was meant for a line of the execution that a reset ended", code="stale_lineage")
    check_revision(engine, command.expected_revision)
    if engine.phase not in (Phase.RUNNING, Phase.PAUSED):
        raise Conflict(f"the execution is {engine.phase}", code="execution_closed")
    if isinstance(command, Patch | Migrate) and engine.phase is not Phase.PAUSED:
        raise Conflict("only a paused execution can be changed", code="not_paused")
    match command:
        case Patch() | Resume():
            check_patches(engine.graph, engine.state, command.input_patch, command.state_patch)
        case Answer():
            _, wait = waits.find(engine.state, command.request_id, now)
            waits.check_answer(wait, command.value)
        case Migrate():
            check_migration(engine.state, engine.graph, command.definition)
        case _:
            pass


def check_revision(engine: Engine, expected: int | None) -> None:
    """Refuse a stale revision.

    Raises:
        Conflict: the execution is at another revision.
    """
    if expected is not None and expected != engine.revision:
        raise Conflict(
            f"the execution is at revision {engine.revision}, not {expected}",
            code="stale_revision",
            extra={"revision": engine.revision},
        )
