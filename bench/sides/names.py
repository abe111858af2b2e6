"""Names of the sides, as readers see them."""

from __future__ import annotations

from collections.abc import Iterable

from cairn.contracts.executions import WORKFLOW_TYPE

CAIRNS_WORKER, HANDS_WORKER = "Cairn's worker", "worker by hand"
CAIRNS_API, TEMPORAL, CLIENT, SANDBOXES = "Cairn's API", "Temporal", "the side's process", "sandboxes"
OTHERS = "all else on the machine"

DEV, POSTGRESQL = "dev server", "PostgreSQL"
STEP, SEGMENT, CODE, BY_HAND = "Cairn step", "Cairn segment", "Cairn segment of code", "Temporal by hand"
DBOS, PREFECT, RESTATE, CONDUCTOR = "DBOS", "Prefect", "Restate", "Conductor"
DURABILITIES = ("sync", "async", "exit")
POST, BARE = "POST /executions", "bare start of a workflow"


def on(name: str, where: str) -> str:
    """Name a side that stands on Temporal."""
    return f"{name}, {where}"


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


def worker(side: str) -> str:
    """Name the worker of a side that stands on Temporal."""
    return HANDS_WORKER if side.startswith(BY_HAND) else CAIRNS_WORKER


def workflow(side: str) -> str:
    """Name the type of a side's workflows."""
    return "HandWritten" if side.startswith(BY_HAND) else WORKFLOW_TYPE
