"""Table ``stream_chunks``."""

from datetime import datetime

from sqlmodel import Field

from cairn.persistence.tables.base import Row
from cairn.persistence.types import UtcDateTime, utc_now


class StreamChunkRow(Row, table=True):
    """A piece of what a model writes, on its way from a worker to those who follow the execution; soon removed.

    Attributes:
        temporal_id: the execution's Temporal workflow id.
        run_id: the run that asked the model.
        scheduled_at: when Temporal scheduled this try: of two tries or turns of a visit the later one counts.
        attempt: which try, from 1.
        number: of the piece within its try, from 0.
        call: which of several calls of the visit it is (``NodeCall.call``).
        text: of the answer; empty where the model thinks.
        reasoning: what the model thinks. Not in ``text``, so that readers who know nothing of it never show it.
        restart: a text begins here; what the visit's model wrote before it is void.
    """

    __tablename__ = "stream_chunks"  # pyright: ignore[reportAssignmentType]

    temporal_id: str = Field(primary_key=True)
    run_id: str = Field(primary_key=True)
    node_id: str = Field(primary_key=True)
    visit: int = Field(primary_key=True)
    scheduled_at: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    attempt: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    call: str
    text: str
    reasoning: str = ""
    restart: bool
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, index=True)
