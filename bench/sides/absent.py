"""What the page has no figure of, and why: programs that this machine lacks, and rows that a table lacks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from chaos import cluster
from sides import clients, earlier, names

SETUP = "setup"
"""The part of what was left out before anything was measured."""

FETCHED_BY = {"restate": "npm", "conductor": "mvn"}
"""The program that a peer's server is fetched by; without it the peer is left out."""

_TITLES = {
    "steps": "Steps",
    "stored": "Bytes stored a step",
    "load": "Agents at once",
    "kept": "Growth of a chat",
    "travel": "Going back",
    "waiting": "Waiting for a person",
    "scale": "Scale-out",
}
_STRETCH = "a stretch of steps is one activity and has no checkpoint between them"
_OUTSIDE = "it does not wait in a stretch: what waits costs what it costs a *Cairn step*"
_REASONS = {
    "load": {names.CODE: "such code neither waits nor asks"},
    "travel": {
        names.SEGMENT: _STRETCH,
        names.CODE: _STRETCH,
        names.langgraph("exit"): "it has one checkpoint, that of its end",
        names.langgraph("exit", sqlite=True): "it has one checkpoint, that of its end",
        names.RESTATE: "no such job is written for it here",
        names.PREFECT: "a run is repeated as a whole, with the results that its tasks have persisted",
    },
    "waiting": {
        names.SEGMENT: _OUTSIDE,
        names.CODE: _OUTSIDE,
        names.PREFECT: "a flow that pauses keeps its process and polls; one that is suspended needs a deployment, and "
        "a worker of it",
    },
}
_NOT_ASKED = "not asked for in these runs"


def missing(*, on_postgresql: bool) -> dict[str, str]:
    """Return what this machine cannot measure, with the reason.

    Args:
        on_postgresql: whether Temporal on PostgreSQL is wanted, which is built where it is not yet.
    """
    found: dict[str, str] = {}
    try:
        if on_postgresql:
            cluster.build()
    except RuntimeError as error:
        found[names.ON_POSTGRESQL] = str(error)
    for peer, program in FETCHED_BY.items():
        if shutil.which(program) is None:
            found[peer.capitalize()] = f"its server is fetched by {program}, which is not on the PATH"
    if not clients.available():
        found[f"Requests of {clients.CLIENTS} clients"] = "they are those of wrk, which is not on the PATH"
    return found


def failures(left_out: dict[str, str]) -> list[dict[str, str]]:
    """Return what was left out as the figures have what a side did not do."""
    return [{"part": SETUP, "side": name, "note": f"{name}: {reason}"} for name, reason in left_out.items()]


def rows(figures: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each table that lacks rows: which, and why."""
    for part, title in _TITLES.items():
        there = earlier.rows_of(figures, part) if figures.get(part) else set[str]()
        by_reason: dict[str, list[str]] = {}
        for side in names.known() if there else ():
            if side not in there and (part != "scale" or names.on_temporal(side)):
                reason = _REASONS.get(part, {}).get(names.bare(side), _NOT_ASKED)
                by_reason.setdefault(reason, []).append(side)
        if by_reason:
            told = [f"{'; '.join(of)} ({reason})" for reason, of in by_reason.items()]
            yield f"- {title}: {', '.join(told)}."
