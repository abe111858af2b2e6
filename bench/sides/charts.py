"""Draws the charts: ``charts.py figures.json FOLDER SIDE…``, the sides in the order of the page.

Runs in an environment of its own, which has matplotlib.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter, ScalarFormatter

OURS, OTHERS = "#d9480f", "#8a94a6"
MARKS = "os^vD"
SIDES = sys.argv[3:]
DOTS = 90
AT_ONCE, OVER = (10, 20, 50, 100, 200, 500, 1_000), (1, 1.5, 2, 3, 5, 10, 20, 50)


def _ordered(found: dict[str, Any]) -> list[str]:
    return [name for name in SIDES if name in found]


def _bars(title: str, values: dict[str, float], file: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.32 * len(values)))
    labels = list(values)[::-1]
    colours = [OURS if label.startswith("Cairn") else OTHERS for label in labels]
    bars = axes.barh(labels, [values[label] for label in labels], color=colours)
    axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, file)


def _middle(value: float | list[float]) -> float:
    """Return the median of what was measured several times."""
    return statistics.median(value) if isinstance(value, list) else value


def _lines(title: str, of: dict[str, dict[str, Any]], axes: Any, labels: tuple[str, str]) -> None:
    """Draw a line a side, with the same colour and mark on every chart."""
    colours = plt.get_cmap("tab20").colors
    for place, name in enumerate(SIDES):
        points = sorted((int(at), _middle(value)) for at, value in of.get(name, {}).items())
        if not points:
            continue
        width = 2.4 if name.startswith("Cairn") else 1.0
        look = {"color": colours[place % len(colours)], "marker": MARKS[place % len(MARKS)], "markersize": 3}
        axes.plot(*zip(*points, strict=True), label=name, linewidth=width, **look)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(labels[0], fontsize=8)
    axes.set_ylabel(labels[1], fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _plain(*axes: Any) -> None:
    """Write numbers beside axes that are logarithmic."""
    for axis in axes:
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())


def _save(figure: Any, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, dpi=DOTS, metadata={"Software": None})
    plt.close(figure)


def _steps(figures: dict[str, Any], folder: Path) -> None:
    cell = max(figures["steps"], key=lambda each: (each["size"] == 100, each["at_once"] == 20, each["steps"] == 20))
    rates = {}
    for name in _ordered(cell["seconds"]):
        done = sorted(each for each in cell["seconds"][name] if each)
        if done:
            rates[name] = cell["steps"] * cell["at_once"] / done[len(done) // 2]
    title = f"Steps a second, {cell['at_once']} executions of {cell['steps']} steps at once"
    _bars(title, rates, folder / "steps.png")


def _agents(figures: dict[str, Any], folder: Path) -> None:
    works = {"think": "a step waits", "ask": "a step asks the model server"}
    shown = {work: title for work, title in works.items() if figures["load"].get(work)}
    figure, each = plt.subplots(1, len(shown), figsize=(5 * len(shown) + 2, 3.6), squeeze=False)
    for (work, title), axes in zip(shown.items(), each[0], strict=True):
        _lines(title, figures["load"][work], axes, ("agents at once", "time over the ideal"))
        axes.axhline(1.5, color="black", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks([at for at in AT_ONCE if at <= axes.get_xlim()[1]])
        axes.set_yticks([over for over in OVER if over <= axes.get_ylim()[1]])
        _plain(axes.xaxis, axes.yaxis)
    each[0][-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1))
    _save(figure, folder / "agents.png")


def _chat(figures: dict[str, Any], folder: Path) -> None:
    figure, each = plt.subplots(1, 2, figsize=(12, 3.6))
    for key, unit, axes in (("bytes", "bytes stored a turn", each[0]), ("ms", "milliseconds a turn", each[1])):
        of = {name: {at: values[key] for at, values in found.items()} for name, found in figures["kept"].items()}
        _lines(unit, of, axes, ("turns", unit))
        axes.set_yscale("log")
    each[1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1))
    _save(figure, folder / "chat.png")


def main(file: str, into: str) -> None:
    """Draw all that there are figures for."""
    figures, folder = json.loads(Path(file).read_text()), Path(into)
    if figures["steps"]:
        _steps(figures, folder)
    if figures["stored"]:
        size = min(figures["stored"], key=int)
        rounds = figures["stored"][size]
        middle = {name: statistics.median(rounds[name]) for name in _ordered(rounds)}
        shown = {name: bytes for name, bytes in middle.items() if bytes > 0}
        _bars(f"Bytes stored a step of {size} characters", shown, folder / "stored.png")
    if figures["load"]:
        _agents(figures, folder)
    if figures["kept"]:
        _chat(figures, folder)


if __name__ == "__main__":
    main(*sys.argv[1:3])
