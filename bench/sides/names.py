"""Names of the sides, as readers see them."""

from __future__ import annotations

DEV, POSTGRESQL = "dev server", "PostgreSQL"
STEP, SEGMENT, BY_HAND = "Cairn step", "Cairn segment", "Temporal by hand"
LANGGRAPH_SQLITE, DBOS, PREFECT, RESTATE = "LangGraph sync, SQLite", "DBOS", "Prefect", "Restate"


def on(name: str, where: str) -> str:
    """Name a side that stands on Temporal."""
    return f"{name}, {where}"


def langgraph(durability: str) -> str:
    """Name LangGraph with the PostgreSQL checkpointer."""
    return f"LangGraph {durability}"
