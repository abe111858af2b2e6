"""Table ``turn_events``."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import Row
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class TurnEventRow(Row, table=True):
    """What was told of a turn while agents work on it that its agent has called, in the order that all readers keep to.

    The turn and its sub-agents are executions of their own, each with an order of its own; who reads an event first
    writes it down here.

    Attributes:
        temporal_id: Temporal workflow id of the turn's execution.
        number: of the event, from 1, without gaps.
        anchor: number of the turn's event (``ExecutionEvent.seq``) after which sub-agents were at work.
        source: id of the execution that the event is of.
        place: number of the event among those of its source.
        said: characters of the text that the source's model was writing, up to and with this event.
        event: what is told; ``thought`` in it: characters of the model's reasoning, as ``said`` of its text.
    """

    __tablename__ = "turn_events"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("temporal_id", "source", "place"),)

    temporal_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigId)
    anchor: int = Field(sa_type=BigId)
    source: str
    place: int = Field(sa_type=BigId)
    said: int
    event: JsonObject = Field(sa_type=JsonDocument)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
