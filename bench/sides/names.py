"""Names of the sides, as readers see them."""

from __future__ import annotations

from collections.abc import Iterable

from cairn.contracts.executions import WORKFLOW_TYPE

CAIRNS_WORKER, HANDS_WORKER = "Cairn's worker", "worker by hand"
CAIRNS_API, TEMPORAL, CLIENT, SANDBOXES = "Cairn's API", "Temporal", "the side's process", "sandboxes"
OTHERS = "all else on the machine"

DEV, POSTGRESQL = "dev server", "PostgreSQL"
DATABASE, ON_POSTGRESQL = "PostgreSQL", "Temporal on PostgreSQL"
STEP, SEGMENT, CODE, BY_HAND = "Cairn step", "Cairn segment", "Cairn segment of code", "Temporal by hand"
DBOS, PREFECT, RESTATE, CONDUCTOR = "DBOS", "Prefect", "Restate", "Conductor"
DURABILITIES = ("sync", "async", "exit")
POST, BARE = "POST /executions", "bare start of a workflow"

SLOW = (STEP, BY_HAND, PREFECT, CONDUCTOR)
"""Sides whose steps go through a server one by one: some hundreds of them take as long as thousands of the others."""


def on(name: str, where: str) -> str:
    """Name a side that stands on Temporal."""
    return f"{name}, {where}"


def bare(side: str) -> str:
    """Return a side's name without that on which its Temporal stands."""
    return side.removesuffix(f", {DEV}").removesuffix(f", {POSTGRESQL}")


def langgraph(durability: str, sqlite: bool = False) -> str:
    """Name LangGraph with the PostgreSQL checkpointer, or with that of SQLite."""
    return f"LangGraph {durability}{', SQLite' if sqlite else ''}"


def known() -> dict[str, str]:
    """Return all sides, in the order of the page, with what each stands on: a Temporal, or a peer's environment."""
    ours = {on(name, where): where for where in (DEV, POSTGRESQL) for name in (STEP, SEGMENT, CODE, BY_HAND)}
    chains = {langgraph(each, sqlite): "langgraph" for sqlite in (False, True) for each in DURABILITIES}
    return {**ours, **chains, **{name: name.lower() for name in (DBOS, RESTATE, PREFECT, CONDUCTOR)}}


def ordered(sides: Iterable[str]) -> list[str]:
    """Put sides into the order of the page, those that it does not know last."""
    places = {name: place for place, name in enumerate(known())}
    return sorted(dict.fromkeys(sides), key=lambda name: places.get(name, len(places)))


def on_temporal(side: str) -> bool:
    """Say whether a side stands on Temporal."""
    return bare(side) != side


def aimed(side: str) -> bool:
    """Say whether an aim of the page compares a side: it is measured in several rounds also where that takes long."""
    return bare(side) in (STEP, SEGMENT, BY_HAND, langgraph("sync"), DBOS)


def programs(side: str) -> frozenset[str]:
    """Return what works for a side, beside the process that asks."""
    own = {
        BY_HAND: {TEMPORAL, HANDS_WORKER},
        DBOS: {DATABASE},
        RESTATE: {"Restate's server"},
        PREFECT: {"Prefect's server", DATABASE},
        CONDUCTOR: {"Conductor's server", DATABASE},
    }
    bare_name = bare(side)
    if bare_name.startswith("LangGraph"):
        return frozenset({CLIENT, *(() if bare_name.endswith("SQLite") else (DATABASE,))})
    found = own.get(bare_name, {TEMPORAL, CAIRNS_WORKER, CAIRNS_API, SANDBOXES})
    return frozenset({CLIENT, *found, *((DATABASE,) if side.endswith(f", {POSTGRESQL}") else ())})


def worker(side: str) -> str:
    """Name the worker of a side that stands on Temporal."""
    return HANDS_WORKER if side.startswith(BY_HAND) else CAIRNS_WORKER


def workflow(side: str) -> str:
    """Name the type of a side's workflows."""
    return "HandWritten" if side.startswith(BY_HAND) else WORKFLOW_TYPE
