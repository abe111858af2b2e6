"""Activities that serve the engine itself (land, record, reset, reconcile): their payloads and references."""

from __future__ import annotations

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import ExecutionInput, GraphRef, NodeFailure, Phase, Usage
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.resets import Compensated, ResetOutcome, ResetRequest

SEARCH_TENANT = "CairnTenant"
SEARCH_WORKFLOW = "CairnWorkflow"
SEARCH_STATE = "CairnState"
SEARCH_SURFACE = "CairnSurface"
SEARCH_REVISION = "CairnRevision"
MEMO_DETAIL = "cairn_detail"

ENGINE = 9
"""The rules that new executions keep to: 2 runs an agent's tool calls as work of their own; 3 goes on working over the
soft limit of a run, and counts what failed children have used; 4 heeds the timeouts of children and of waits for a
time, gives an agent's turn what is left of ``max_cost``, counts what models used before their node failed, lets a
delayed start take two seconds where its author says none, and is asked once in each workflow task, at one time; 5
pauses when the monthly budget is used up, where others fail the node; 6 asks people before the call of a tool node,
heeds timeouts and approvers of single tools, tells tools whether a person has approved, and runs tools that may be
called again inside of segments; 7 gives the items of a map what they read of the input, not all of it; 8 begins nothing
more once a cancellation is accepted, and asks Temporal for it when that stands in history; 9 tells its children of the
pause in which every reset lands, goes on waiting for them whatever resets follow, shows the reset of a run that
continues another one, keeps what a sibling's segment has brought, has a child that is replayed call the versions
that it knew, heeds a cancellation that comes before a reset has landed, and starts children anew that failed in the
line that a reset ended."""

RESET_WORKFLOW_TYPE = "ResetExecution"
RECONCILE_WORKFLOW_TYPE = "Reconcile"
RECONCILE_SCHEDULE_ID = "cairn-reconcile"


def reset_workflow_id(temporal_id: str) -> str:
    """Temporal workflow id of the one reset that an execution can have at a time."""
    return f"reset/{temporal_id}"


class LandRequest(BaseModel):
    """Input of ``land``.

    Attributes:
        temporal_id: the execution's Temporal workflow id.
        original_run_id: id that the run had before any reset; another one than the activity's own means a reset.
        graph: the version to load; None after a reset, when it is known already.
        start: what the execution was started with (without ``carry`` and ``seed``); a child's row is made of it.
        pin: resolve the graphs that the definition names; not for a child or a continued run, which have their pins.
        engine: the newest rules that the workflow's code knows.
    """

    temporal_id: str
    execution_id: str
    tenant: str
    original_run_id: str
    graph: GraphRef | None = None
    start: ExecutionInput | None = None
    pin: bool = False
    engine: int = 1


class Landing(BaseModel):
    """Result of ``land``: in which run the workflow stands.

    Attributes:
        run_id: the run that ran the activity; the lineage from here on.
        revision: the revision that the execution has in this run: 0 at first, after a reset one more than before.
        reset: True when a reset made this run.
        cancelled: Temporal was asked to cancel this run after that reset, which did not bring the cancellation along.
        definition: the graph's definition, when it was asked for.
        pins: versions of the graphs that its nodes (and those of these graphs) name.
        engine: which rules of the engine the execution keeps to all its life; 1 before there were others.
        configuration: of the graph, for a voice graph.
        history_limit: events of a run after which the execution goes on in a new one; None: when Temporal suggests it.
    """

    run_id: str
    revision: int = 0
    reset: bool = False
    cancelled: bool = False
    definition: JsonObject | None = None
    pins: dict[str, GraphRef] = Field(default_factory=dict)
    engine: int = 1
    configuration: JsonObject | None = None
    history_limit: int | None = None


class Record(BaseModel):
    """Input of ``record``: what lists show of an execution, told by its workflow at each change of state."""

    temporal_id: str
    execution_id: str
    tenant: str
    run_id: str
    phase: Phase
    detail: str | None = None
    revision: int = 0
    output: Json = None
    error: NodeFailure | None = None
    usage: Usage | None = None


class Nothing(BaseModel):
    """An empty payload."""


class ReconcileRequest(BaseModel):
    """Input of ``reconcile``: for how many seconds to keep on, looking every ``interval`` seconds."""

    seconds: float = 55.0
    interval: float = 2.0


class ResumeAfterReset(BaseModel):
    """Input of ``after_reset``: what follows a reset that has been made.

    Attributes:
        request: the reset.
        run_id: the run that it made.
        compensations: what became of the effects that it went back over.
        stopped: Temporal ids of the child executions that it stopped.
    """

    request: ResetRequest
    run_id: str
    compensations: list[Compensated] = Field(default_factory=list[Compensated])
    stopped: list[str] = Field(default_factory=list)


class ResetMade(BaseModel):
    """Result of ``make_reset``."""

    run_id: str


class CancelRequest(BaseModel):
    """Input of ``request_cancel``: the execution asks Temporal for its own cancellation.

    Attributes:
        announce: for another workflow task first, in which it asks for that.
    """

    temporal_id: str
    run_id: str
    announce: bool = False


LAND = ActivityRef("land", LandRequest, Landing)
RECORD = ActivityRef("record", Record, Nothing)
REQUEST_CANCEL = ActivityRef("request_cancel", CancelRequest, Nothing)
MAKE_RESET = ActivityRef("make_reset", ResetRequest, ResetMade)
AFTER_RESET = ActivityRef("after_reset", ResumeAfterReset, ResetOutcome)
RECONCILE = ActivityRef("reconcile", ReconcileRequest, Nothing)
