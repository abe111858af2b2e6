"""The page's section on what a load costs: the figures of ``cost``, with how each comes about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from statistics import median
from typing import Any

from sides import cost, names
from sides.aims import number
from sides.results import Results
from sides.tables import table

_SERVERS = {cost.TEMPORAL: names.TEMPORAL, cost.POSTGRESQL: names.POSTGRESQL}
_CAIRN = {cost.WORKER: names.CAIRNS_WORKER, cost.SANDBOXES: names.SANDBOXES, cost.API: names.CAIRNS_API, **_SERVERS}
_BY_HAND = {cost.WORKER: names.HANDS_WORKER, **_SERVERS}
_SIGNS = {
    "executions": ("N", "executions a day, evenly over the shards"),
    "steps": ("n", "steps of an execution, each empty and with a text of 100 characters"),
    "peak": ("p", "peak of the day over its mean"),
    "planned": ("u", "share of each core that is busy at the peak"),
    "write_ms": ("w", "milliseconds of a write at the database, during which its shard is held"),
    "shard": ("b", "share of the time that a shard may be held, so that next to none waits for another"),
    "history_days": ("dₕ", "days that Temporal keeps what has ended (the namespace's retention); blobs go with it"),
    "rows_days": ("dᵣ", "days that rows of Cairn are kept"),
    "spare": ("s", "the disk over what is stored: dead rows, free space in pages"),
}


def measured(results: Results, side: str) -> cost.Measured | None:
    """Return what executions of a side take, of few steps and of many; None where one of the two was not measured."""
    on = side.rpartition(", ")[2]
    cells = [each for each in results.figures.get("scale", ()) if each["on"] == on and each["work"] == "produce"]
    cells = sorted((each for each in cells if each["cpu"].get(side, {}).get("1")), key=lambda each: each["steps"])
    if len({each["steps"] for each in cells}) < 2:
        return None
    programs = _BY_HAND if side.startswith(names.BY_HAND) else _CAIRN
    few, many = ({name: _ms(each, side, of) for name, of in programs.items()} for each in (cells[0], cells[-1]))
    lengths = cells[0]["steps"], cells[-1]["steps"]
    cpu = {name: cost.Line(lengths[0], few[name], lengths[1], many[name]) for name in few if few[name] or many[name]}
    return cost.Measured(cpu, dict(_caused(results.figures.get("caused", {}).get(side, {}))))


def _ms(cell: Mapping[str, Any], side: str, program: str) -> float:
    """Return milliseconds of an execution, on one worker."""
    return median(of.get(program, 0.0) for of in cell["cpu"][side]["1"]) * cell["steps"]


def _caused(found: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, cost.Line]]:
    lengths = sorted(map(int, found))
    if len(lengths) > 1:
        few, many = lengths[0], lengths[-1]
        for name, value in found[str(few)].items():
            if name in found[str(many)]:
                yield name, cost.Line(few, value, many, found[str(many)][name])


def costs(results: Results, assumed: cost.Assumed | None = None) -> Iterator[str]:
    """Yield the section on what a load costs."""
    given = assumed or cost.Assumed()
    sides = [names.on(name, results.where) for name in (names.STEP, names.SEGMENT, names.CODE, names.BY_HAND)]
    of = {side: found for side in sides if (found := measured(results, side))}
    if not of:
        return
    yield f"## What {given.executions:,} executions a day cost, on paper\n"
    yield "No measurement: arithmetic over the figures of scale-out above. Assumed:\n"
    signs = ((_SIGNS[each.name], getattr(given, each.name)) for each in fields(given))
    yield _left(table(["", "", ""], ([sign, f"{value:,}", meaning] for (sign, meaning), value in signs)))
    yield "On one worker, an execution of few steps and one of many take. One of n steps takes x(n), on the"
    yield "line through both: x(n) = x(few) + (n - few) · (x(many) - x(few)) ÷ (many - few). ms: of the processor.\n"
    yield table(["", *of], [["run", *(results.run("scale", side) for side in of)], *_line_rows(of, given)])
    yield "What follows from that:\n"
    rows = {side: list(cost.Cost(found, given).rows()) for side, found in of.items()}
    first = next(iter(rows.values()))
    columns = [[_value(row.value) for row in each] for each in rows.values()]
    named = ([row.name, row.formula, *values] for row, *values in zip(first, *columns, strict=True))
    yield _left(table(["", "formula", *rows], named), 1)
    yield "-: not measured, or not there. What steps do comes on top: their own work, their requests, their payloads."
    yield "The unit is a core of the machine above. Under more load commits share syncs: syncs are bounds from above.\n"


def _left(made: str, columns: int = -1) -> str:
    """Set columns after the first to the left."""
    return made.replace("---:", "---", columns)


def _line_rows(of: Mapping[str, cost.Measured], given: cost.Assumed) -> Iterator[list[str]]:
    for title, kind in (("ms: {}", "cpu"), ("{}", "caused")):
        for name in dict.fromkeys(name for each in of.values() for name in getattr(each, kind)):
            yield [title.format(name), *(_line(getattr(each, kind).get(name), given.steps) for each in of.values())]


def _line(line: cost.Line | None, steps: int) -> str:
    if line is None:
        return "-"
    parts = ((line.few, line.of_few), (line.many, line.of_many), (steps, line.of(steps)))
    return ", ".join(f"{at}: {number(value)}" for at, value in parts)


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value == int(value) else number(value)
