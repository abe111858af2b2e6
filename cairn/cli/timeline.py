"""An execution's checkpoints as a picture: a column for each line, beginning where a reset left another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from rich.text import Text

_GAP = 3
_DOT = "●"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an execution: from its start, or from a reset, to its end or the next reset.

    Attributes:
        title: how it began.
        checkpoints: id and name of all it had at its end, those that it took over from earlier lines included.
        end: mark, text and style of what stands below the last one, if anything does.
        style: of all else.
    """

    title: str
    checkpoints: Sequence[tuple[str, str]]
    end: tuple[str, str, str] | None
    style: str


def timeline(lines: Sequence[Line], width: int = 80) -> Text:
    """Draw lines side by side, a row for each checkpoint.

    Args:
        lines: oldest first; checkpoints that two share have the same id.
        width: columns of the terminal; longer names are cut.
    """
    column = max(8, (width + _GAP) // max(1, len(lines)) - _GAP)
    canvas = _Canvas(column + _GAP)
    owners: dict[str, int] = {}
    for at, line in enumerate(lines):
        canvas.write(0, at, _cut(line.title, column), f"bold {line.style}")
        shared = len(list(takewhile(lambda each: each[0] in owners, line.checkpoints)))
        if shared:
            owner = owners[line.checkpoints[shared - 1][0]]
            canvas.connect(shared, owner, at, line.style)
        rows = [(_DOT, name, line.style) for _, name in line.checkpoints[shared:]] + ([line.end] if line.end else [])
        for row, (mark, text, style) in enumerate(rows, shared + 1):
            canvas.write(row, at, _cut(f"{mark} {text}", column), style)
        for checkpoint_id, _ in line.checkpoints[shared:]:
            owners[checkpoint_id] = at
    return canvas.text()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


class _Canvas:
    """Styled characters in rows; what is written first stays."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._cells: dict[tuple[int, int], tuple[str, str]] = {}

    def write(self, row: int, column: int, text: str, style: str) -> None:
        for at, character in enumerate(text, column * self._step):
            self._put(row, at, character, style)

    def connect(self, row: int, owner: int, column: int, style: str) -> None:
        """Draw from the end of the owner's name in this row to the top of a column."""
        after = range(owner * self._step, (owner + 1) * self._step)
        begin = max((at for at in after if (row, at) in self._cells), default=owner * self._step) + 2
        for at in range(begin, column * self._step):
            self._put(row, at, "─", style)
        self._put(row, column * self._step, "╮", style)

    def text(self) -> Text:
        drawn = Text()
        for row in range(max((row for row, _ in self._cells), default=-1) + 1):
            width = max((at for in_row, at in self._cells if in_row == row), default=-1) + 1
            cells = [self._cells.get((row, at), (" ", "")) for at in range(width)]
            for style, run in groupby(cells, key=lambda cell: cell[1]):
                drawn.append("".join(character for character, _ in run), style=style)
            drawn.append("\n")
        drawn.rstrip()
        return drawn

    def _put(self, row: int, at: int, character: str, style: str) -> None:
        self._cells.setdefault((row, at), (character, style))
