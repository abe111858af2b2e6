"""A place in the graph where an execution stands."""

from __future__ import annotations

from dataclasses import dataclass

from cairn.contracts.json import Json


@dataclass(slots=True)
class Token:
    """A place in the graph where the execution stands; several at a time inside a parallel.

    Attributes:
        node_id: the node it is about to enter, or whose work it waits for.
        forks: ids of the parallels that it is inside of, outermost first.
        labels: the label of its branch in each of them.
        last: what the node before returned; what the node itself returned once it is done.
        joined: it stands before a join with all branches in.
        done: the node's work is done; its checkpoint and the way on are left.
        visit: which visit of the node, once it was entered.
        way: id of the edge to leave by; None to choose by the edges' expressions.
    """

    node_id: str
    forks: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    last: Json = None
    joined: bool = False
    done: bool = False
    visit: int = 0
    way: str | None = None
