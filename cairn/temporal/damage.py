"""Histories that are none of Temporal's: what a projection refuses."""

from __future__ import annotations

from cairn.errors import CairnError
from cairn.temporal.events import Event, Started


class HistoryDamaged(CairnError):
    """A history has an event twice or out of turn, or lacks what an execution begins with."""

    code = "history_damaged"


def follows(event: Event, last: int) -> None:
    """Refuse an event that cannot come after the one with this id, 0 for none.

    Raises:
        HistoryDamaged: it was told already, or stands before that one, or is no beginning where there is none.
    """
    if event.id <= last or isinstance(event, Started) == bool(last):
        raise HistoryDamaged(f"{type(event).__name__} {event.id} cannot come after event {last}.")


def needs_graph(known: bool, event: Event) -> None:
    """Refuse what happens before the graph of the execution is known.

    Raises:
        HistoryDamaged: it is not known.
    """
    if not known:
        raise HistoryDamaged(f"{type(event).__name__} {event.id} comes before the graph of the execution is known.")
