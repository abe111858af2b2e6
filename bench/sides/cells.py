"""Loads of steps: which there could be, which are measured, and by which sides."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sides import names

LONG, SHORT = 2_000, 20
"""Steps of long executions, and of those right before them that tell what a step takes while there are few."""


@dataclass(frozen=True)
class Cell:
    """One load: so many executions at once, each of so many steps, each step of so many characters."""

    steps: int
    at_once: int
    size: int = 100

    @property
    def light(self) -> bool:
        """Whether every side does it within some seconds; a start counts as four steps."""
        return self.at_once * (self.steps + 4) <= 480 and self.steps * self.at_once * self.size <= LIGHT

    def rounds(self, side: str) -> int:
        """Return how often a side does it where time is short: once what takes long, unless an aim looks at it."""
        aim = self == Cell(LONG, 1) and names.aimed(side) and names.bare(side) != names.BY_HAND
        return 3 if self.light or aim else 1

    def asks(self, side: str) -> bool:
        """Whether a side does it where time is short."""
        return self not in THOUSANDS or names.bare(side) not in names.SLOW


LIGHT = 20_000_000
"""Characters that are written within some seconds."""

THOUSANDS = (Cell(200, 20), Cell(20, 200, 10_000))
"""Loads that those sides are left out of which take a minute or two for them."""

QUICK = (
    Cell(1, 1),
    Cell(20, 1),
    Cell(200, 1),
    Cell(LONG, 1),
    Cell(1, 20),
    Cell(20, 20),
    Cell(1, 200),
    Cell(20, 200),
    Cell(1, 1, 10_000),
    Cell(20, 1, 10_000),
    Cell(1, 20, 10_000),
    Cell(20, 20, 10_000),
    Cell(1, 200, 10_000),
    Cell(1, 1, 1_000_000),
    Cell(20, 1, 1_000_000),
    Cell(20, 20, 1_000_000),
    *THOUSANDS,
)
TINY = (Cell(20, 1), Cell(20, 5), Cell(60, 1))
CHARACTERS = 40_000_000
"""What one cell writes at most."""

AGENTS = (10, 30, 100, 300, 1_000)
"""Agents at once with which every side is measured, however long they take."""

MATRIX = tuple(Cell(*each) for each in itertools.product((1, 20, 200, LONG), (1, 20, 200), (100, 10_000, 1_000_000)))
FULL = tuple(
    cell
    for cell in MATRIX
    if cell.steps * cell.at_once <= 2 * LONG and cell.steps * cell.at_once * cell.size <= CHARACTERS
)
