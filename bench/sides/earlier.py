"""Figures of several runs on one page: each row of a part is of the run that has measured it last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sides import names
from sides.plan import Found

OF_PART = {
    "steps": ("steps", "cpu", "steps_profile"),
    "stored": ("stored", "stored_in"),
    "kept": ("kept",),
    "travel": ("travel",),
    "requests": ("requests", "requests_cpu", "api"),
    "scale": ("scale", "caused", "profile"),
    "load": ("load", "largest", "load_cpu", "load_profile"),
    "waiting": ("waiting",),
}
"""Members of the figures that a part measures."""

_RUN = ("command", "date", "commit", "load_before", "processor")
_SAME = ("cores", "memory_gb", "python", "versions")

AT_REST = 0.5
"""Share of the cores that may be busy before a run begins; with more, other work has the machine, too."""

Run = dict[str, Any]
"""What tells one run from another, and the rows that it has measured."""

Runs = dict[str, list[Run]]
"""The runs of each part, none of which has a row of another."""


class Differs(ValueError):
    """Earlier figures are of a machine of another size or of other versions: they are no neighbours of new ones."""


def run_of(machine: dict[str, Any], rows: Iterable[str], beside: bool = False) -> Run:
    """Describe a run.

    Args:
        machine: what it says of machine and command.
        rows: that it has measured, by the names of their sides.
        beside: whether other programs had the machine, too.
    """
    return {**{name: machine[name] for name in _RUN}, "rows": names.ordered(rows), "beside": beside}


def runs_of(figures: dict[str, Any]) -> Runs:
    """Return the runs of each part that the figures have."""
    if "runs" in figures:
        processor = figures["machine"]["processor"]  # runs of earlier versions do not say theirs
        return {part: [{"processor": processor, **run} for run in runs] for part, runs in figures["runs"].items()}
    rows = {part: rows_of(figures, part) for part in OF_PART}
    return {part: [run_of(figures["machine"], measured)] for part, measured in rows.items() if measured}


def numbered(runs: Runs) -> list[Run]:
    """Return each run once, in the order of the parts, without its rows."""
    found: list[Run] = []
    for run in (run for of_part in runs.values() for run in of_part):
        same = {name: value for name, value in run.items() if name != "rows"}
        if same not in found:
            found.append(same)
    return found


def comparable(run: Run, machine: dict[str, Any]) -> bool:
    """Say whether a run is known to have begun with the machine to itself, and had the page's processor."""
    load = run["load_before"]
    at_rest = not run["beside"] and load is not None and load <= AT_REST * machine["cores"]
    return at_rest and run["processor"] == machine["processor"]


def told(runs: Runs, part: str, run: Run) -> None:
    """Add a run of a part; what it has measured is no earlier run's any more."""
    left = [{**each, "rows": [row for row in each["rows"] if row not in run["rows"]]} for each in runs.get(part, ())]
    runs[part] = [*(each for each in left if each["rows"]), run]


def neighbours(figures: dict[str, Any], part: str, side: str, base: str) -> bool:
    """Say whether two sides took turns in a run of a part, so that their figures are of the same moments."""
    return any({side, base} <= {*run["rows"]} for run in runs_of(figures).get(part, ()))


def rows_of(figures: dict[str, Any], part: str) -> set[str]:
    """Return the names of the sides that a part has figures of, or of the Temporals that requests went to."""
    return {_side(member, key) for member in OF_PART[part] for rows in _rows(figures, member) for key in rows}


def forget(figures: dict[str, Any], part: str, rows: Sequence[str]) -> None:
    """Leave out what a part has found of sides, so that they can be measured anew."""
    for member in OF_PART[part]:
        for found in _rows(figures, member):
            for key in [key for key in found if _side(member, key) in rows]:
                del found[key]
        kept = _filled(figures.get(member))
        if kept is not None:
            figures[member] = kept
    figures["failed"] = [each for each in figures["failed"] if not (each["part"] == part and each["side"] in rows)]


def found_before(figures: dict[str, Any], machine: dict[str, Any]) -> Found:
    """Return what earlier figures have.

    Raises:
        Differs: they are of a machine of another size or of other versions.
    """
    other = [name for name in _SAME if figures["machine"][name] != machine[name]]
    if other:
        raise Differs(f"the earlier figures differ in {', '.join(other)}")
    return Found(**{name: value for name, value in figures.items() if name in vars(Found())})


def _rows(figures: dict[str, Any], member: str) -> Iterator[dict[str, Any]]:
    """Yield the mappings of a member, whose keys are names of sides."""
    found = figures.get(member, {})
    if member in ("steps", "scale"):
        yield from (cell[each] for cell in found for each in ("seconds", "short", "cpu") if each in cell)
    elif member in ("stored", "stored_in", "load", "largest", "load_cpu", "load_profile"):
        yield from found.values()
    else:
        yield found


def _filled(found: Any) -> Any:
    """Return what is left of a member without cells and sizes that no side has a figure of."""
    if isinstance(found, list):
        return [cell for cell in found if cell["seconds"]]
    return found and {key: value for key, value in found.items() if value}


def _side(member: str, key: str) -> str:
    return key.rpartition(": ")[0] if member == "travel" else key
