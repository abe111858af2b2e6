"""What was aimed at, and whether it was reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sides import names
from sides.results import Results, Spread

LANGGRAPH = names.langgraph("sync")
_CPU = "Milliseconds of the processor"


Parts = Mapping[str, float]
"""Milliseconds of the processor by program, or bytes by table or file."""


@dataclass(frozen=True)
class Aim:
    """One aim.

    Attributes:
        text: what was aimed at.
        found: what was found.
        met: whether that is enough; None when it was not measured.
        of: what is shown of an aim that is missed: the unit of the parts.
        parts: what it is made up of, by what is compared.
    """

    text: str
    found: str
    met: bool | None
    of: str = ""
    parts: Mapping[str, Parts] = field(default_factory=dict[str, Parts])


def aims(results: Results) -> Iterator[Aim]:
    """Yield every aim of speed."""
    step, segment, by_hand = (results.on(name) for name in (names.STEP, names.SEGMENT, names.BY_HAND))
    busy = results.cell(20, 20)
    rate = None if busy is None else results.ratio(busy, step, by_hand)
    text = "steps/s of Cairn step ≥ 0.95 of the workflow by hand (20 executions of 20 steps)"
    yield _rate(results, text, rate, 0.95, step, by_hand)
    for base in (LANGGRAPH, names.DBOS):
        rate = None if busy is None else results.ratio(busy, segment, base)
        text = f"steps/s of Cairn segment above {base} on PostgreSQL (20 executions of 20 steps)"
        yield _rate(results, text, rate, 1.0, segment, base)
        for size in (100, 10_000):
            yield _bytes(results, size, segment, base)
    yield _agents(results, "think", step, by_hand, 0.95)
    yield _agents(results, "ask", step, by_hand, 0.95)
    yield _agents(results, "ask", segment, LANGGRAPH, 1.0)
    growth = results.growth(step, 2_000, 20)
    text = "a step of 2,000 takes at most 1.2 times as long as one of 20 (Cairn step)"
    yield Aim(text, _number(growth), None if growth is None else growth <= 1.2)
    for text, mine, base, most in (
        ("p50 of POST /executions at most 1.5 times a bare start", names.POST, names.BARE, 1.5),
        ("p50 of page 5,000 of a list of 100,000 at most twice page 1", "list, page 5,000", "list, page 1", 2.0),
    ):
        ratio = results.request(mine, base)
        spent = results.figures.get("requests_cpu", {}).get(results.where, {})
        parts = {name: spent[name] for name in (mine, base) if name in spent}
        yield Aim(text, _number(ratio), None if ratio is None else ratio <= most, f"{_CPU} a request", parts)


def _bytes(results: Results, size: int, side: str, base: str) -> Aim:
    mine, other = results.bytes(size, side), results.bytes(size, base)
    text = f"bytes stored a step of {size:,} characters, Cairn segment below {base}"
    if mine is None or other is None:
        return Aim(text, "not measured", None)
    places = results.figures.get("stored_in", {}).get(str(size), {})
    parts = {name: places[name] for name in (side, base) if name in places}
    found = f"{mine.middle:,.0f} to {other.middle:,.0f}"
    return Aim(text, found, mine.middle < other.middle, "Bytes a step, by table or file", parts)


def _agents(results: Results, work: str, side: str, base: str, least: float) -> Aim:
    mine, other = results.largest(work, side), results.largest(work, base)
    how = {"think": "waits", "ask": "asks the model server"}[work]
    text = f"most agents at once within 1.5 times the ideal, {side} ≥ {least:g} of {base} (a step {how})"
    if mine is None or other is None or not other.middle:
        return Aim(text, "not measured", None)
    ratio = mine.middle / other.middle
    spent = results.figures.get("load_cpu", {}).get(work, {})
    parts = {name: spent[name] for name in (side, base) if name in spent}
    found = f"{mine.middle:.0f} to {other.middle:.0f}: {ratio:.2f}"
    return Aim(text, found, ratio >= least, f"{_CPU} a step, with the most that were tried and borne", parts)


def _rate(results: Results, text: str, spread: Spread | None, least: float, side: str, base: str) -> Aim:
    spent = results.figures["cpu"]
    parts = {name: spent[name] for name in (side, base) if name in spent}
    met = None if spread is None else spread.middle >= least
    return Aim(text, show(spread), met, f"{_CPU} a step", parts)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def show(spread: Spread | None) -> str:
    """Return median with smallest and largest."""
    if spread is None:
        return "not measured"
    one = spread.low == spread.high
    return number(spread.middle) + ("" if one else f" ({number(spread.low)} to {number(spread.high)})")


def number(value: float) -> str:
    """Return a figure with three places that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
