"""Figures of several runs on one page: each part is of the run that has measured it last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sides.plan import Found

OF_PART = {
    "steps": ("steps", "cpu"),
    "stored": ("stored",),
    "kept": ("kept",),
    "travel": ("travel",),
    "requests": ("requests",),
    "scale": ("scale", "caused", "profile"),
    "load": ("load", "largest"),
    "waiting": ("waiting",),
}
"""Members of the figures that a part measures."""

_RUN = ("command", "date", "commit", "load_before")
_SAME = ("cores", "processor", "memory_gb", "python", "versions")


class Differs(ValueError):
    """Earlier figures are of another machine or of other versions: they are no neighbours of new ones."""


def run_of(machine: dict[str, Any]) -> dict[str, Any]:
    """Return what tells one run from another on the same machine."""
    return {name: machine[name] for name in _RUN}


def runs_of(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the run of each part that the figures have."""
    if "runs" in figures:
        return figures["runs"]
    return {part: run_of(figures["machine"]) for part, members in OF_PART.items() if figures.get(members[0])}


def found_before(figures: dict[str, Any], parts: Sequence[str], machine: dict[str, Any]) -> Found:
    """Return what earlier figures have of other parts than these.

    Raises:
        Differs: they are of another machine or of other versions.
    """
    other = [name for name in _SAME if figures["machine"][name] != machine[name]]
    if other:
        raise Differs(f"the earlier figures differ in {', '.join(other)}")
    anew = {member for part in parts for member in OF_PART[part]}
    return Found(**{name: value for name, value in figures.items() if name in vars(Found()) and name not in anew})
