"""The page's sections on scale-out and on what workers do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from sides import names
from sides.aims import show
from sides.results import Results, Spread
from sides.tables import table

FULL = 0.9
"""Share of what there is from which on it is full."""

LEAST = 0.02
"""Cores below which a program is not shown."""

ONE_CORE = (names.CAIRNS_WORKER, names.HANDS_WORKER, names.CAIRNS_API, names.CLIENT)
"""Programs in Python: a process of them has hardly more than one core."""

_WORKS = {"produce": "empty steps", "think": "steps that wait half a second"}


def _rates(cell: Mapping[str, Any], side: str, workers: int) -> list[float | None]:
    steps = cell["steps"] * cell["at_once"]
    return [steps / each if each else None for each in cell["seconds"].get(side, {}).get(str(workers), [])]


def _ratio(a: Sequence[float | None], b: Sequence[float | None]) -> Spread | None:
    return Spread.of([x / y for x, y in zip(a, b, strict=False) if x and y])


def _spread(values: Sequence[float | None]) -> Spread | None:
    return Spread.of([each for each in values if each])


def scale(results: Results) -> Iterator[str]:
    """Yield the section on one worker and two."""
    cells, cores = results.figures["scale"], results.figures["machine"]["cores"]
    yield "## Scale-out: one worker and two\n"
    yield "Steps a second, and ratios of neighbours in a round; `by hand`: the workflow written by hand with as many"
    yield f"workers. All programs share the {cores} cores: a second worker can only use what the rest leaves.\n"
    for cell in cells:
        yield f"{_title(cell)}:\n"
        rows = ([*row, results.run("scale", row[0])] for row in _scale_rows(cell))
        yield table(["", "1 worker", "2 workers", "2 ÷ 1", "÷ by hand, 1", "÷ by hand, 2", "run"], rows)
    yield "### Where the bottleneck is\n"
    yield "Cores that each program keeps busy (median of the rounds), and what that says:\n"
    busy = [(_title(cell), side, int(at), _busy(cell, side, at)) for cell in cells for side, at in _measured(cell)]
    for title in dict.fromkeys(title for title, *_ in busy):
        of_title = [row for each, *row in busy if each == title]
        programs = sorted({name for *_, of in of_title for name, share in of.items() if share >= LEAST})
        yield f"{title}:\n"
        head = ["", "workers", *programs, "all", "bottleneck", "run"]
        rows = ([*_busy_row(*row, programs, cores), results.run("scale", row[0])] for row in of_title)
        yield table(head, rows)


def _title(cell: Mapping[str, Any]) -> str:
    many = f"{cell['at_once']} executions at once of {cell['steps']} {_WORKS[cell['work']]}"
    return f"{cell['on'][0].upper()}{cell['on'][1:]}, {many if cell['steps'] > 1 else many.replace('steps', 'step')}"


def _scale_rows(cell: Mapping[str, Any]) -> Iterator[list[str]]:
    hand = names.on(names.BY_HAND, cell["on"])
    for side in cell["seconds"]:
        one, two = _rates(cell, side, 1), _rates(cell, side, 2)
        beside = [show(_ratio(of, _rates(cell, hand, at))) for at, of in ((1, one), (2, two))]
        yield [
            side,
            *map(show, (_spread(one), _spread(two), _ratio(two, one))),
            *(beside if side != hand else ("", "")),
        ]


def _measured(cell: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((side, at) for side, of in cell["cpu"].items() for at in sorted(of))


def _busy(cell: Mapping[str, Any], side: str, workers: str) -> dict[str, float]:
    """Return the cores that each program kept busy: milliseconds a step by steps a second."""
    seconds = [each for each in cell["seconds"][side][workers] if each]
    spent = cell["cpu"][side][workers]
    rates = [cell["steps"] * cell["at_once"] / each for each in seconds]
    rounds = [{name: ms * rate / 1_000 for name, ms in of.items()} for of, rate in zip(spent, rates, strict=True)]
    return {name: median(of.get(name, 0.0) for of in rounds) for name in {name for of in rounds for name in of}}


def _busy_row(side: str, workers: int, busy: Mapping[str, float], programs: Sequence[str], cores: int) -> Sequence[str]:
    parts = [f"{busy[name]:.2f}" if name in busy else "" for name in programs]
    return [side, str(workers), *parts, f"{sum(busy.values()):.2f}", bottleneck(busy, workers, cores)]


def bottleneck(busy: Mapping[str, float], workers: int, cores: int) -> str:
    """Say what is full, from the cores that each program keeps busy."""
    most = max(busy, key=lambda name: busy[name], default="")
    for name in ONE_CORE:
        processes = workers if name in (names.CAIRNS_WORKER, names.HANDS_WORKER) else 1
        if busy.get(name, 0.0) >= FULL * processes:
            return f"{name}: its core{'s are' if processes > 1 else ' is'} full"
    total = sum(busy.values())
    if total >= FULL * cores:
        return f"the machine: {cores} cores are full, {busy[most] / total:.0%} of it {most}"
    return f"no processor: it waits for disk, locks or timers; most takes {most}" if busy else "not measured"


def profile(results: Results) -> Iterator[str]:
    """Yield the section on what workers do."""
    profiles = results.figures["profile"]
    yield "## What a worker does\n"
    yield "One worker under 40 executions at once of 20 empty steps. Its threads, by the processor's time:\n"
    yield from _seen(profiles, [results.run("scale", side) for side in profiles])


def api(results: Results) -> Iterator[str]:
    """Yield the section on what the API does."""
    profiles = results.figures["api"]
    yield "## What the API does\n"
    yield "One API, asked by one client to start executions, one after the other. Its threads, by the processor's"
    yield "time:\n"
    runs = [results.run("requests", where) for where in profiles]
    yield from _seen({f"Temporal on: {where}": of for where, of in profiles.items()}, runs)


def _seen(profiles: Mapping[str, Mapping[str, Any]], runs: Sequence[str]) -> Iterator[str]:
    yield table(["", *profiles], [["run", *runs], *_share_rows(profiles, "threads", 0.005)])
    yield "What holds the interpreter's lock (GIL), 100 samples a second by py-spy. A sample counts for the"
    yield "innermost function that is not Python's own; compiled code counts for what calls it:\n"
    held = ["the lock is held", *(f"{of['held']:.1%} of the time" for of in profiles.values())]
    yield table(["package", *profiles], [held, *_share_rows(profiles, "packages", 0.01)])
    links = ", ".join(f"[{side}](benchmarks/{of['picture']})" for side, of in profiles.items())
    yield f"Flame graphs, to be opened by themselves (functions and shares are shown under the pointer): {links}.\n"
    first = next(iter(profiles.values()))["picture"]
    yield f"![Flame graph](benchmarks/{first})\n"


def _share_rows(profiles: Mapping[str, Mapping[str, Any]], of: str, least: float) -> Iterator[list[str]]:
    every = dict.fromkeys(name for each in profiles.values() for name in each[of])
    shares = {name: [each[of].get(name, 0.0) for each in profiles.values()] for name in every}
    for name, values in sorted(shares.items(), key=lambda row: -max(row[1])):
        if max(values) >= least:
            yield [name, *(f"{value:.1%}" for value in values)]
