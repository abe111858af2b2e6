"""Names of the sides, as readers see them."""

from __future__ import annotations

from cairn.contracts.executions import WORKFLOW_TYPE

CAIRNS_WORKER, HANDS_WORKER = "Cairn's worker", "worker by hand"
CAIRNS_API, TEMPORAL, CLIENT, SANDBOXES = "Cairn's API", "Temporal", "the side's process", "sandboxes"
OTHERS = "all else on the machine"

DEV, POSTGRESQL = "dev server", "PostgreSQL"
STEP, SEGMENT, CODE, BY_HAND = "Cairn step", "Cairn segment", "Cairn segment of code", "Temporal by hand"
DBOS, PREFECT, RESTATE, CONDUCTOR = "DBOS", "Prefect", "Restate", "Conductor"


def on(name: str, where: str) -> str:
    """Name a side that stands on Temporal."""
    return f"{name}, {where}"


def langgraph(durability: str, sqlite: bool = False) -> str:
    """Name LangGraph with the PostgreSQL checkpointer, or with that of SQLite."""
    return f"LangGraph {durability}{', SQLite' if sqlite else ''}"


def worker(side: str) -> str:
    """Name the worker of a side that stands on Temporal."""
    return HANDS_WORKER if side.startswith(BY_HAND) else CAIRNS_WORKER


def workflow(side: str) -> str:
    """Name the type of a side's workflows."""
    return "HandWritten" if side.startswith(BY_HAND) else WORKFLOW_TYPE
