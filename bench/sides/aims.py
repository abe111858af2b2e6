"""What was aimed at, and whether it was reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sides import names
from sides.results import Results, Spread

LANGGRAPH = names.langgraph("sync")
WORKS = {"think": "a step waits", "ask": "a step asks the model server"}
NOT_MEASURED = "not measured"
_CPU = "Milliseconds of the processor"


Parts = Mapping[str, float]
"""Milliseconds of the processor by program, or bytes by table or file."""


@dataclass(frozen=True)
class Aim:
    """One aim.

    Attributes:
        text: what was aimed at.
        found: what was found.
        met: whether that is enough, by the median; None when it was not measured.
        run: of which runs that is.
        of: what is shown of an aim that is missed: the unit of the parts.
        parts: what it is made up of, by what is compared.
        pictures: flame graphs of what is compared, by what they show.
        floor: what a start alone takes, where that is what it is missed by.
    """

    text: str
    found: str
    met: bool | None
    run: str = ""
    of: str = ""
    parts: Mapping[str, Parts] = field(default_factory=dict[str, Parts])
    pictures: Mapping[str, str] = field(default_factory=dict[str, str])
    floor: str = ""


def aims(results: Results) -> Iterator[Aim]:
    """Yield every aim of speed."""
    step, segment, by_hand = (results.on(name) for name in (names.STEP, names.SEGMENT, names.BY_HAND))
    text = "steps/s of Cairn step ≥ 0.95 of the workflow by hand (20 executions of 20 steps)"
    yield _rate(results, text, 0.95, step, by_hand)
    for base in (LANGGRAPH, names.DBOS):
        text = f"steps/s of Cairn segment above {base} on PostgreSQL (20 executions of 20 steps)"
        yield _rate(results, text, 1.0, segment, base)
        for size in (100, 10_000):
            yield _bytes(results, size, segment, base)
    for work in ("think", "ask"):
        yield _agents(results, work, step, by_hand, 0.95)
        yield _agents(results, work, segment, LANGGRAPH, 1.0)
    growth = results.growth(step, 2_000)
    text = "a step of 2,000 takes at most 1.2 times as long as one of 20 (Cairn step)"
    met = growth and growth.middle <= 1.2
    yield Aim(text, show(growth), met, results.run("steps", step), pictures=_pictures(results, "", step))
    yield _request(results, "p50 of POST /executions at most 1.5 times a bare start", names.POST, names.BARE, 1.5)
    text = "p50 of page 5,000 of a list of 100,000 at most twice page 1"
    yield _request(results, text, "list, page 5,000", "list, page 1", 2.0)


def _rate(results: Results, text: str, least: float, side: str, base: str) -> Aim:
    busy = results.cell(20, 20)
    spread = results.ratio(busy, side, base) if busy else None
    parts = _parts(results.figures["cpu"], side, base)
    pictures = _pictures(results, "", side, base)
    floor = _floor(results, side, base)
    met, run = spread and spread.middle >= least, results.run("steps", side, base)
    return Aim(text, show(spread), met, run, f"{_CPU} a step", parts, pictures, floor)


def _floor(results: Results, side: str, base: str) -> str:
    """Say what 20 starts take by hand, and how fast the side is beside the base with fewer and more steps a start."""
    cells = {count: results.cell(count, 20) for count in (1, 20, 200)}
    start = results.seconds(cells[1], results.on(names.BY_HAND))
    all_of_base = results.seconds(cells[20], base)
    ratios = {count: results.ratio(cell, side, base) for count, cell in cells.items() if cell}
    if start is None or all_of_base is None or not ratios.get(1) or not ratios.get(200):
        return ""
    return (
        f"20 executions at once of one step that does nothing take the workflow by hand {show(start)} s; all 20 steps "
        f"of 20 executions take {base} {show(all_of_base)} s. Steps/s of {side} over those of {base}, 20 executions at "
        f"once: {', '.join(f'{show(ratio)} with {steps(count)}' for count, ratio in ratios.items())}."
    )


def steps(count: int) -> str:
    """Say how many steps there are."""
    return f"{count:,} step{'s' if count > 1 else ''}"


def _bytes(results: Results, size: int, side: str, base: str) -> Aim:
    mine, other = results.bytes(size, side), results.bytes(size, base)
    text = f"bytes stored a step of {size:,} characters, Cairn segment below {base}"
    if mine is None or other is None:
        return Aim(text, NOT_MEASURED, None)
    parts = _parts(results.figures.get("stored_in", {}).get(str(size), {}), side, base)
    found, run = f"{show(mine, whole)} beside {show(other, whole)}", results.run("stored", side, base)
    return Aim(text, found, mine.middle < other.middle, run, "Bytes a step, by table or file", parts)


def _agents(results: Results, work: str, side: str, base: str, least: float) -> Aim:
    mine, other = results.largest(work, side), results.largest(work, base)
    ratio = results.agents(work, side, base)
    text = f"most agents at once within 1.5 times the ideal, {side} ≥ {least:g} of {base} ({WORKS[work]})"
    if mine is None or other is None or ratio is None:
        return Aim(text, NOT_MEASURED, None)
    parts = _parts(results.figures.get("load_cpu", {}).get(work, {}), side, base)
    found, run = f"{show(mine, whole)} beside {show(other, whole)}: {show(ratio)}", results.run("load", side, base)
    of = f"{_CPU} a step, with the most that were tried and borne"
    return Aim(text, found, ratio.middle >= least, run, of, parts, _pictures(results, work, side, base))


def _request(results: Results, text: str, mine: str, base: str, most: float) -> Aim:
    ratio = results.request(mine, base)
    parts = _parts(results.figures.get("requests_cpu", {}).get(results.where, {}), mine, base)
    seen = results.figures.get("api", {}).get(results.where)
    pictures = {f"{names.CAIRNS_API}, while executions are started": seen["picture"]} if seen else {}
    met, run = ratio and ratio.middle <= most, results.run("requests", results.where)
    return Aim(text, show(ratio), met, run, f"{_CPU} a request", parts, pictures)


def _parts(found: Mapping[str, Parts], *compared: str) -> Mapping[str, Parts]:
    return {name: found[name] for name in compared if name in found}


def _pictures(results: Results, work: str, *sides: str) -> Mapping[str, str]:
    """Return flame graphs of sides: with that work if there are such, else with steps that do nothing."""
    figures = results.figures
    empty = {**figures.get("profile", {}), **figures.get("steps_profile", {})}
    at_work = figures.get("load_profile", {}).get(work, {})
    found: dict[str, str] = {}
    for side in sides:
        if side in at_work:
            found[f"{side}: {WORKS[work]}"] = at_work[side]["picture"]
        elif side in empty:
            found[f"{side}: empty steps"] = empty[side]["picture"]
    return found


def show(spread: Spread | None, of: Callable[[float], str] | None = None) -> str:
    """Return the median of the rounds with smallest and largest; what has no two of them is of one round.

    Args:
        spread: of the rounds.
        of: how a figure is shown, as `number` by itself.
    """
    shown = of or number
    if spread is None:
        return NOT_MEASURED
    around = f" ({shown(spread.low)} to {shown(spread.high)})" if spread.rounds > 1 else ""
    return f"{shown(spread.middle)}{around}"


def number(value: float) -> str:
    """Return a figure with three places that count."""
    value = round(value, 2) + 0.0  # nothing has no sign
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def whole(value: float) -> str:
    """Return a figure of which there are no parts."""
    return f"{value:,.0f}"
