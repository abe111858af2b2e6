"""What is written down of a storm: what clients asked and heard, and what was found when it was over."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.graphs import WAITS
from chaos.ledger import Entry

ENDS = ("completed", "failed", "cancelled")
RESETS = ("replay", "rollback")
SAID = "it will pass"
"""What the model says."""

STARTS = ("start", "fork", "say")


@dataclass(slots=True)
class Asked:
    """One request of a client, over all its tries; requests to one execution follow each other.

    Attributes:
        kind: start, fork, pause, resume, cancel, migrate, replay, rollback, answer, event, or terminate (an
            operator's, in Temporal).
        tag: of the execution: metadata that the client chose.
        execution_id: None until the start is answered.
        tries: how often it was sent, all with one idempotency key.
        late: how many of them were sent when it had been answered already.
        status: HTTP status of the answer that counts; None when there was none.
        code: machine-readable reason of a refusal.
        before: the execution as the client saw it just before.
        after: as the client saw it just after.
        kept: ids of the checkpoints that a reset has to keep.
        event: id of the event that it tells of; several requests may tell of one.
        faults: what no reply may be: an internal error, a 503 without Retry-After, two answers that differ.
    """

    kind: str
    tag: str
    execution_id: str | None = None
    tries: int = 0
    status: int | None = None
    code: str | None = None
    before: Shown | None = None
    after: Shown | None = None
    kept: tuple[str, ...] = ()
    late: int = 0
    event: str | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether it was acknowledged."""
        return self.status is not None and self.status < 300


@dataclass(frozen=True, slots=True)
class Shown:
    """An execution as some place shows it; what the place does not show is None."""

    status: str
    revision: int
    detail: str | None = None
    output: dict[str, str] | None = None
    error: str | None = None
    run_id: str | None = None
    checkpoints: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One Temporal run of an execution.

    Attributes:
        operation: reason of the reset that made it; None for the first.
        scheduled: idempotency keys of the tool calls that it commanded.
        completed: those of the calls that brought a result.
        continues: the run that went on in this one.
        children: ids of the executions that it started, itself or by its maps.
        heard: ids of the events that it was told of.
    """

    run_id: str
    operation: str | None = None
    base_run_id: str | None = None
    scheduled: frozenset[str] = frozenset()
    completed: frozenset[str] = frozenset()
    continues: str | None = None
    children: frozenset[str] = frozenset()
    heard: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Undone:
    """What a rollback said of one effect: of which execution, node and visit, and what became of it."""

    execution_id: str
    node_id: str
    visit: int
    status: str


@dataclass(frozen=True, slots=True)
class Found:
    """An execution as it was found when the storm was over.

    Attributes:
        parent: the execution whose child it is.
        source: the execution that it was forked from.
        turn: whether it is an agent's turn; its output is no effect then.
        rollbacks: what each rollback said that it undid, by its operation.
        known: all texts in what its nodes had returned by its last checkpoint; read of those that were reset alone.
    """

    execution_id: str
    tag: str
    listed: Shown
    got: Shown
    temporal: Shown
    runs: tuple[Run, ...]
    parent: str | None = None
    source: str | None = None
    turn: bool = False
    rollbacks: dict[str, tuple[Undone, ...]] = field(default_factory=dict)
    known: frozenset[str] = frozenset()

    @property
    def claims(self) -> dict[str, str]:
        """The key of the effect that it says is behind each name of its output."""
        return {name: key for name, key in self._output.items() if name not in WAITS}

    @property
    def taken(self) -> list[str]:
        """The events that its waits say they have taken."""
        return [event for name, event in self._output.items() if name in WAITS]

    @property
    def _output(self) -> dict[str, str]:
        return {} if self.turn else self.got.output or {}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification that came.

    Attributes:
        request_id: what it tells of.
        step: the place of that request among those of its execution, from 1.
        taken: whether it was taken; else it was refused, and has to come again.
        at: seconds since the epoch.
    """

    request_id: str
    execution_id: str
    step: int
    taken: bool
    at: float


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a person that its receiver was to be told of, as it was found when the storm was over.

    Attributes:
        status: ``pending``, ``approved``, …
        told: whether the installation says that its receiver was told.
    """

    request_id: str
    execution_id: str
    status: str
    told: bool


@dataclass(slots=True)
class Talk:
    """A conversation.

    Attributes:
        said: the messages, in the order in which they were said; the tag of each is its text.
        shown: role and text of each message that it has, as it was found when the storm was over; no text of an answer
            that was cut short.
        resumed: how often somebody went on with a stream of events where it had broken off.
    """

    conversation_id: str
    said: list[Asked] = field(default_factory=list[Asked])
    shown: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    resumed: int = 0


@dataclass(slots=True)
class Story:
    """Everything.

    Attributes:
        requests: those to people that someone was to be told of.
        deliveries: what that someone was told, oldest first.
        talks: the conversations.
        memory: bytes of each program before the storm, and when everything had come to rest after it.
        unreplayable: workflow and run ids of histories that the workflow code does not replay, with the reason.
        stuck: workflow ids of resets and the like that are still under way.
        planned: error codes with which executions are meant to fail.
        failing: those with which turns may fail, of a model that errs too often.
    """

    asked: list[Asked]
    found: list[Found]
    ledger: list[Entry]
    unreplayable: list[tuple[str, str]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    planned: frozenset[str] = frozenset({"refused"})
    failing: frozenset[str] = frozenset(
        {"model_unavailable", "rate_limited", "invalid_reply", "connection_error", "timeout", "model_behavior"}
    )
    requests: list[Request] = field(default_factory=list["Request"])
    deliveries: list[Delivery] = field(default_factory=list["Delivery"])
    memory: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    talks: list[Talk] = field(default_factory=list["Talk"])
