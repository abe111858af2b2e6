"""Questions to the figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sides import earlier, names
from sides.cells import SHORT

BUSY = "†"
"""Marks a run that is not known to have begun with the machine to itself, or had another processor."""


@dataclass(frozen=True)
class Spread:
    """Smallest, median and largest of the rounds, and how many there were."""

    low: float
    middle: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Return the spread of values, None of none."""
        return cls(min(values), statistics.median(values), max(values), len(values)) if values else None


class Results:
    """The figures of one run.

    Attributes:
        figures: as they stand in the JSON.
        sides: names of those that did something.
        where: on what Temporal stands in the main comparison.
        runs: those that the figures are of, by the names that the page gives them.
    """

    def __init__(self, figures: dict[str, Any]) -> None:
        """Take the figures."""
        self.figures = figures
        seen = [cell["seconds"] for cell in figures["steps"]] + [figures["kept"], *figures["load"].values()]
        self.sides = names.ordered(name for each in seen for name in each)
        scaled = [name for cell in figures.get("scale", ()) for name in cell["seconds"]]
        on_postgresql = names.on(names.STEP, names.POSTGRESQL) in (*self.sides, *scaled)
        self.where = names.POSTGRESQL if on_postgresql else names.DEV
        self._runs_of = earlier.runs_of(figures)
        self.runs = {
            f"{number}{'' if earlier.comparable(run, figures['machine']) else BUSY}": run
            for number, run in enumerate(earlier.numbered(self._runs_of), 1)
        }

    def on(self, name: str) -> str:
        """Name a side on the Temporal of the main comparison."""
        return names.on(name, self.where)

    def run(self, part: str, *rows: str) -> str:
        """Name the runs that rows of a part are of; without rows, all of the part."""
        of = [run for run in self._runs_of.get(part, ()) if not rows or {*rows} & {*run["rows"]}]
        return ", ".join(name for name, run in self.runs.items() if any(run.items() <= each.items() for each in of))

    def parts(self, name: str, row: str = "") -> list[str]:
        """Return what a run has measured, of all rows or of one, whatever its Temporal stands on."""
        run = self.runs[name]
        found = ((part, of) for part, runs in self._runs_of.items() for of in runs if run.items() <= of.items())
        return [part for part, of in found if not row or row in map(names.bare, of["rows"])]

    def cell(self, steps: int, at_once: int, size: int = 100) -> dict[str, Any] | None:
        """Return a cell if it was measured."""
        wanted = (steps, at_once, size)
        found = (each for each in self.figures["steps"] if (each["steps"], each["at_once"], each["size"]) == wanted)
        return next(found, None)

    def ms(self, cell: dict[str, Any], side: str) -> Spread | None:
        """Return the milliseconds of a step of one execution among those at once."""
        return Spread.of([each * 1_000 / cell["steps"] for each in _done(cell, side)])

    def seconds(self, cell: dict[str, Any] | None, side: str) -> Spread | None:
        """Return the seconds that all executions of a cell take together."""
        return Spread.of(_done(cell, side)) if cell else None

    def rate(self, cell: dict[str, Any], side: str) -> Spread | None:
        """Return steps a second of all executions together."""
        return Spread.of([cell["steps"] * cell["at_once"] / each for each in _done(cell, side)])

    def ratio(self, cell: dict[str, Any], side: str, base: str) -> Spread | None:
        """Return the rate of a side over another's, round by round; None when they did not take turns."""
        if not earlier.neighbours(self.figures, "steps", side, base):
            return None
        pairs = zip(cell["seconds"].get(side, []), cell["seconds"].get(base, []), strict=False)
        return Spread.of([b / a for a, b in pairs if a and b])

    def growth(self, side: str, steps: int) -> Spread | None:
        """Return what a step of a long execution takes over one of the short ones right before it."""
        long = self.cell(steps, 1) or {"seconds": {}}
        pairs = zip(long["seconds"].get(side, []), long.get("short", {}).get(side, []), strict=False)
        return Spread.of([(a / steps) / (b / SHORT) for a, b in pairs if a and b])

    def request(self, name: str, base: str) -> Spread | None:
        """Return the median time of one kind of request over another's, round by round."""
        found = self.figures["requests"].get(self.where, {})
        if name not in found or base not in found:
            return None
        mine, other = (found[each].get("rounds", [found[each]["p50"]]) for each in (name, base))
        return Spread.of([a / b for a, b in zip(mine, other, strict=False)])

    def agents(self, work: str, side: str, base: str) -> Spread | None:
        """Return the largest number of agents of a side over another's, round by round; None if not in turns."""
        if not earlier.neighbours(self.figures, "load", side, base):
            return None
        found = self.figures["largest"].get(work, {})
        return Spread.of([a / b for a, b in zip(found.get(side, []), found.get(base, []), strict=False) if b])

    def largest(self, work: str, side: str) -> Spread | None:
        """Return the largest number of agents at once within what is bearable."""
        return Spread.of(self.figures["largest"].get(work, {}).get(side, []))

    def over(self, work: str, side: str, at_once: int) -> Spread | None:
        """Return the time of so many agents at once over the ideal."""
        found = self.figures["load"].get(work, {}).get(side, {}).get(str(at_once), [])
        return Spread.of(found if isinstance(found, list) else [found])

    def bytes(self, size: int, side: str) -> Spread | None:
        """Return the bytes that a step leaves; None when as a rule less was there after a round than before it."""
        found = Spread.of(self.figures["stored"].get(str(size), {}).get(side, []))
        return found if found and found.middle > 0 else None


def _done(cell: dict[str, Any], side: str) -> list[float]:
    return [each for each in cell["seconds"].get(side, []) if each]
