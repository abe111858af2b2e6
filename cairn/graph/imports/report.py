"""What an import gives: a definition, and what its author has to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cairn.contracts.json import JsonObject

Format = Literal["cairn", "langgraph", "n8n"]


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one part of the source.

    Attributes:
        node: the part, as its source names it; None for the whole.
        status: ``partly``: something is left to be done; ``missing``: there is no counterpart.
        message: what, for a person.
    """

    node: str | None
    status: Literal["partly", "missing"]
    message: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A graph that was read.

    Attributes:
        format: of the source.
        name: of the graph, when the source tells it.
        definition: a draft at least; whether it can be published the validator says.
        configuration: when the source has one.
        mapped: how many nodes of the source have a counterpart without a note.
        notes: about the others.
    """

    format: Format
    name: str | None
    definition: JsonObject
    configuration: JsonObject = field(default_factory=dict[str, object])
    mapped: int = 0
    notes: tuple[Note, ...] = ()
