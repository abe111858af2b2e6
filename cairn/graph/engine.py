"""The engine: one execution as a deterministic machine that is fed what happened and says what to do.

The execution workflow feeds it live; :mod:`cairn.temporal.checkpoints` feeds it a stored history. Both get the same
states, because both feed, for each workflow task: first the reset if one made the task, then the commands that were
accepted in it, then the completions that it saw; and then ask for one ``turn``.
"""

from __future__ import annotations

from datetime import datetime

from cairn.contracts.executions import Accepted, Command, ExecutionInput, NodeFailure, Patch, Pause, Phase, Resume
from cairn.contracts.json import Json, JsonObject, merge_patch
from cairn.contracts.nodes import NodeResult
from cairn.contracts.operations import Landing
from cairn.errors import Conflict, FieldError, InvalidInput
from cairn.graph import step
from cairn.graph.compiled import Graph
from cairn.graph.schema import validate_json
from cairn.graph.state import ExecutionState, Run

RESET_DETAIL = "reset to a checkpoint"


class Engine:
    """One execution.

    Attributes:
        phase: its state; a terminal one is only reached by ``turn``.
        detail: why it is paused, or how it ended.
        lineage: id of the run in which the current line began; None until it has landed there.
        revision: +1 for each accepted command or observed reset.
        graph: the graph, known from the first landing on.
        state: all that the next step depends on.
    """

    graph: Graph
    state: ExecutionState

    def __init__(self, start: ExecutionInput) -> None:
        """Make the engine of an execution that has not landed yet."""
        self.start = start
        self.phase = Phase.RUNNING
        self.detail: str | None = None
        self.lineage: str | None = None
        self.revision = 0
        self.started = False
        self.failure: NodeFailure | None = None
        self._parked: list[str] = []
        self._over_limit = False
        self._grant = False

    # What happened.

    def begin(self, graph: Graph) -> None:
        """Take the graph; the execution then stands before its start node."""
        self.graph = graph
        execution: JsonObject = {
            "id": self.start.execution_id,
            "workflow_id": self.start.graph.workflow_id,
            "metadata": self.start.metadata,
        }
        self.state = step.begin(graph, execution, self.start.input)
        self.started = True

    def reset(self) -> None:
        """Notice that a reset made this run: nothing goes on before it has landed and been resumed."""
        self.lineage = None
        self._pause(RESET_DETAIL)

    def landed(self, landing: Landing) -> None:
        """Take the answer of the landing activity."""
        self.lineage = landing.run_id
        self.revision = landing.revision
        if landing.reset:
            self._pause(RESET_DETAIL)

    def complete(self, key: str, result: NodeResult) -> None:
        """Take the result of a piece of work."""
        step.complete(self.graph, self.state, key, result)

    def fail(self, key: str, failure: NodeFailure) -> None:
        """Take the final failure of a piece of work."""
        step.fail(self.graph, self.state, key, failure)

    def park(self, key: str) -> None:
        """Take note that a reset dispatched this work anew: it is commanded again after the resume."""
        if key in self.state.in_flight:
            self._parked.append(key)

    # Commands. ``check`` refuses, the others apply what was accepted.

    def check(self, command: Command) -> None:
        """Refuse a command that does not fit.

        Raises:
            Conflict: meant for another line or revision, or the execution has ended, or is not paused (patch).
            InvalidInput: a patch that breaks a schema.
        """
        if not self.started:
            raise Conflict("the execution is starting", code="not_started")
        if self.lineage is None:
            raise Conflict("a reset of the execution is landing", code="reset_in_progress")
        if command.lineage != self.lineage:
            raise Conflict("the command was meant for a line of the execution that a reset ended", code="stale_lineage")
        self.check_revision(command.expected_revision)
        if self.phase not in (Phase.RUNNING, Phase.PAUSED):
            raise Conflict(f"the execution is {self.phase}", code="execution_closed")
        if isinstance(command, Patch) and self.phase is not Phase.PAUSED:
            raise Conflict("only a paused execution can be patched", code="not_paused")
        if isinstance(command, Patch | Resume):
            self.check_patches(command.input_patch, command.state_patch)

    def check_revision(self, expected: int | None) -> None:
        """Refuse a stale revision.

        Raises:
            Conflict: the execution is at another revision.
        """
        if expected is not None and expected != self.revision:
            raise Conflict(
                f"the execution is at revision {self.revision}, not {expected}",
                code="stale_revision",
                extra={"revision": self.revision},
            )

    def check_patches(self, input_patch: Json, state_patch: Json) -> None:
        """Refuse patches that break the input's schema or that of a state key.

        Raises:
            InvalidInput: with one error a value.
        """
        errors: list[FieldError] = []
        if input_patch is not None and self.graph.input_schema is not None:
            patched = merge_patch(self.state.input, input_patch)
            found = validate_json(self.graph.input_schema, patched)
            errors += [FieldError(f"/input_patch{error.pointer}", error.message) for error in found]
        if state_patch is not None:
            errors += self._state_errors(state_patch)
        if errors:
            raise InvalidInput("the patch breaks the graph's schema", errors=errors)

    def pause(self, command: Pause) -> Accepted:
        """Stop before the next node."""
        if self.phase is Phase.PAUSED:
            return self._accepted(changed=False)
        self._pause(command.reason)
        return self._accepted()

    def resume(self, command: Resume) -> Accepted:
        """Apply the patches and go on."""
        if self.phase is not Phase.PAUSED:
            return self._accepted(changed=False)
        self._apply_patches(command.input_patch, command.state_patch)
        self.phase, self.detail = Phase.RUNNING, None
        self._grant = self._over_limit
        return self._accepted()

    def patch(self, command: Patch) -> Accepted:
        """Apply the patches and stay paused."""
        self._apply_patches(command.input_patch, command.state_patch)
        return self._accepted()

    def cancelling(self) -> Accepted:
        """Take note that a cancellation was accepted; Temporal's own cancellation ends the execution."""
        self.detail = "cancelling"
        return self._accepted()

    # What to do.

    def turn(self, now: datetime) -> list[Run]:
        """Return the work to start now, and move to the phase that follows.

        Args:
            now: workflow time.
        """
        if self.phase is not Phase.RUNNING or self.lineage is None:
            return []
        if self._grant:
            self._grant = self._over_limit = False
            step.grant(self.graph, self.state, now)
        again = [step.redo(self.state, key) for key in self._parked]
        self._parked.clear()
        runs, over = step.advance(self.graph, self.state, now)
        if over is not None:
            self._over_limit = True
            self._pause(over)
        elif self.state.ended:
            self._finish()
        return [run for run in again if run is not None] + runs

    def _finish(self) -> None:
        failure = self.state.failure
        if failure is None and self.graph.output_schema is not None:
            errors = validate_json(self.graph.output_schema, self.state.output)
            if errors:
                failure = NodeFailure(
                    code="output_schema",
                    message=f"the output breaks its schema at {errors[0].pointer or '/'}: {errors[0].message}",
                    node_id="",
                )
        self.failure = failure
        self.phase = Phase.COMPLETED if failure is None else Phase.FAILED
        self.detail = None if failure is None else failure.message

    def _pause(self, reason: str) -> None:
        self.phase, self.detail = Phase.PAUSED, reason

    def _accepted(self, changed: bool = True) -> Accepted:
        if changed:
            self.revision += 1
        return Accepted(revision=self.revision, phase=self.phase, changed=changed)

    def _apply_patches(self, input_patch: Json, state_patch: Json) -> None:
        if input_patch is not None:
            self.state.input = merge_patch(self.state.input, input_patch)
        if state_patch is not None:
            self.state.values = merge_patch(self.state.values, state_patch)

    def _state_errors(self, state_patch: Json) -> list[FieldError]:
        if not isinstance(state_patch, dict):
            return [FieldError("/state_patch", "a state patch is an object")]
        patched: JsonObject = merge_patch(self.state.values, state_patch)
        errors: list[FieldError] = []
        for key, declared in self.graph.state.items():
            if declared.json_schema is not None and key in patched and key in state_patch:
                found = validate_json(declared.json_schema, patched[key])
                errors += [FieldError(f"/state_patch/{key}{error.pointer}", error.message) for error in found]
        return errors
