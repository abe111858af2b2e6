"""The page: docs/benchmarks.md from the figures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sides import absent, cost_page, earlier, machine, names, scale_page
from sides.aims import NOT_MEASURED, WORKS, Aim, aims, number, show, steps, whole
from sides.cells import AGENTS, MATRIX, THOUSANDS, Cell
from sides.results import Results, Spread
from sides.tables import table

TEMPLATE = Path(__file__).with_name("page.md")
_LARGE = 0.05
"""Share of the whole from which on a part is shown by its name."""

WAITING = 100_000
"""Executions that wait, of which the page tells what they would take."""

FIGURES = "<!-- figures -->\n\n"
OF_EARLIER = "<!-- of earlier commits -->"
ON_UVLOOP = "a51d2d5"
"""The commit since which the workflow by hand runs on the same event loop as Cairn."""

_STEPS = sum(cell.steps * cell.at_once for cell in MATRIX)
_CHARACTERS = sum(cell.steps * cell.at_once * cell.size for cell in MATRIX)


def page(figures: dict[str, Any]) -> str:
    """Return the page."""
    results = Results(figures)
    about, setup = TEMPLATE.read_text().split(FIGURES)
    parts: dict[str, Callable[[], Iterable[str]]] = {
        "steps": lambda: _steps(results),
        "stored": lambda: _stored(results),
        "load": lambda: _load(results),
        "kept": lambda: _kept(results),
        "travel": lambda: _travel(results),
        "apart": lambda: _apart(results),
        "requests": lambda: _requests(results),
        "api": lambda: scale_page.api(results),
        "waiting": lambda: _waiting(results),
        "cpu": lambda: _cpu(results),
        "scale": lambda: scale_page.scale(results),
        "profile": lambda: scale_page.profile(results),
        "caused": lambda: cost_page.costs(results),
    }
    measured = [line for name, lines in parts.items() if figures.get(name) for line in lines()]
    told = setup.replace(OF_EARLIER, _of_earlier(results))
    made = [about, *_machine(results), *_aims(results), *measured, told, *_not_done(figures)]
    return "\n".join(made).rstrip() + "\n"


def _machine(results: Results) -> Iterator[str]:
    of = results.figures["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in of["versions"].items())
    others: dict[str, list[str]] = {}
    for name, run in results.runs.items():
        if run["processor"] != of["processor"]:
            others.setdefault(run["processor"], []).append(name)
    elsewhere = (f"; run {', '.join(runs)}: {processor}" for processor, runs in others.items())
    host = f"{of['cores']} cores ({of['processor']}{''.join(elsewhere)}), {of['memory_gb']} GB, {of['system']}"
    yield table(["", ""], [["machine", host], ["versions", f"Python {of['python']}, {versions}"]]).replace(
        "---:", "---"
    )
    rows = ([name, *_run(run), ", ".join(results.parts(name))] for name, run in results.runs.items())
    yield table(["run", "command", "date", "commit", "load before", "measured"], rows).replace("---:", "---")


def _of_earlier(results: Results) -> str:
    """Return which parts of which runs have the workflow by hand on a slower event loop."""
    early = [name for name, run in results.runs.items() if machine.before(run["commit"], ON_UVLOOP)]
    parts = ((name, results.parts(name, names.BY_HAND)) for name in early)
    return "; ".join(f"run {name}: {', '.join(of)}" for name, of in parts if of) or "none"


def _run(run: dict[str, Any]) -> Iterator[str]:
    yield from (f"`{run['command']}`", run["date"], run["commit"])
    yield "not recorded" if run["load_before"] is None else str(run["load_before"])


def _aims(results: Results) -> Iterator[str]:
    verdicts = {True: "met", False: "**missed**", None: "not measured"}
    every = list(aims(results))
    yield f"## Aims\n\nTemporal on: {results.where}.\n"
    yield table(["aim", "found", "run", ""], ([aim.text, aim.found, aim.run, verdicts[aim.met]] for aim in every))
    missed = [aim for aim in every if aim.met is False and (aim.parts or aim.pictures)]
    if missed:
        yield "### What the missed ones are made up of\n"
    for aim in missed:
        yield f"{aim.of if aim.parts else 'Flame graphs alone'}: *{aim.text}*\n"
        if aim.parts:
            yield _parts(aim)
        if aim.pictures:
            links = ", ".join(f"[{shows}](benchmarks/{file})" for shows, file in aim.pictures.items())
            yield f"Flame graphs of the processes in Python: {links}.\n"
        if aim.floor:
            yield f"{aim.floor}\n"


def _parts(aim: Aim) -> str:
    """Return the parts of what is compared, the larger ones by name."""
    whole = {name: sum(of.values()) for name, of in aim.parts.items()}
    large = [
        part
        for part in dict.fromkeys(part for of in aim.parts.values() for part in of)
        if any(of.get(part, 0) >= _LARGE * whole[name] for name, of in aim.parts.items())
    ]
    large.sort(key=lambda part: -max(of.get(part, 0) for of in aim.parts.values()))
    rows: list[list[str]] = []
    for name, of in aim.parts.items():
        shown = [of.get(part, 0) for part in large]
        rows.append([name, *map(number, [*shown, whole[name] - sum(shown), whole[name]])])
    return table(["", *large, "others", "all"], rows)


def _steps(results: Results) -> Iterator[str]:
    yield "## Steps\n\n![Steps a second](benchmarks/steps.png)\n\nMilliseconds a step of one execution alone:\n"
    cells = sorted(results.figures["steps"], key=lambda cell: (cell["size"], cell["at_once"], cell["steps"]))
    alone = [cell for cell in cells if cell["at_once"] == 1]
    busy = [cell for cell in cells if cell["at_once"] > 1]
    yield _cells(results, alone, results.ms)
    if busy:
        yield "Steps a second, many executions at once:\n"
        yield _cells(results, busy, results.rate)
    yield "Ratios of steps a second (above 1: Cairn is faster), of sides that took turns in one run:\n"
    segment, peers = results.on(names.SEGMENT), [side for side in results.sides if not names.on_temporal(side)]
    pairs = [(results.on(names.STEP), results.on(names.BY_HAND))]
    pairs += [(segment, peer) for peer in peers if earlier.neighbours(results.figures, "steps", segment, peer)]
    yield _cells(
        results,
        cells,
        lambda cell, pair: results.ratio(cell, *pair.split(" ÷ ")),
        [" ÷ ".join(pair) for pair in pairs],
    )
    yield from _left_out(results)


def _left_out(results: Results) -> Iterator[str]:
    """Say which loads of the matrix were not measured."""
    there = {(cell["steps"], cell["at_once"], cell["size"]) for cell in results.figures["steps"]}
    lacking = [cell for cell in MATRIX if (cell.steps, cell.at_once, cell.size) not in there]
    if lacking:
        yield f"{len(MATRIX) - len(lacking)} of the {len(MATRIX)} loads of 1, 20, 200 and 2,000 steps, 1, 20 and 200 at"
        yield "once, and 100 B, 10 KB and 1 MB were measured, each of at least one side; *not measured* is what the run"
        yield "of a side did not have. Left out, as steps at executions at once:"
        yield f"{_by_size(lacking)}."
        yield f"All of them together are {_STEPS:,} steps a round, {_STEPS / 70 / 3_600:.0f} hours for a side that does"
        yield f"70 a second, and write {_CHARACTERS / 1e9:,.0f} GB of texts. `make bench` leaves those out that take"
        yield f"minutes a side, and of {', '.join(names.SLOW)} also {_by_size(THOUSANDS)}; `ARGS=--full`"
        yield "has five rounds of all up to 4,000 steps and 40 MB.\n"


def _by_size(cells: Sequence[Cell]) -> str:
    by_size = itertools.groupby(sorted(cells, key=lambda cell: cell.size), key=lambda cell: cell.size)
    return "; ".join(f"{characters(size)}: {', '.join(map(_load_of, of))}" for size, of in by_size)


def _load_of(cell: Cell) -> str:
    return f"{cell.steps:,} at {cell.at_once}"


def _cells(results: Results, cells: Sequence[dict[str, Any]], figure: Any, rows: Sequence[str] | None = None) -> str:
    head = ["", *(f"{each['at_once']} at once, {steps(each['steps'])}, {characters(each['size'])}" for each in cells)]
    lines = (
        [row, *(show(figure(cell, row)) for cell in cells), _of_pair(results, row)] for row in rows or results.sides
    )
    return table([*head, "run"], lines)


def _of_pair(results: Results, row: str) -> str:
    return results.run("steps", *row.split(" ÷ "))


def characters(size: int) -> str:
    """Say how large a payload is."""
    return f"{size} B" if size < 1_000 else f"{size // 1_000} KB" if size < 1_000_000 else f"{size // 1_000_000} MB"


def _stored(results: Results) -> Iterator[str]:
    stored = results.figures["stored"]
    yield "## Bytes stored a step\n\n![Bytes stored a step](benchmarks/stored.png)\n"
    sizes = sorted(map(int, stored))
    rows = (
        [side, *(show(results.bytes(size, side), whole) for size in sizes), results.run("stored", side)]
        for side in results.sides
    )
    yield table(["", *(f"a text of {characters(size)}" for size in sizes), "run"], rows)


def _ordered(by_side: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(side, by_side[side]) for side in names.ordered(by_side)]


def _load(results: Results) -> Iterator[str]:
    yield "## Agents at once\n\nTen steps of half a second: 5 s is ideal. The most within 1.5 times the ideal:\n"
    able = [side for side in results.sides if not side.startswith(f"{names.CODE},")]  # such code neither waits nor asks
    rows = (
        [side, *(show(results.largest(work, side), whole) for work in WORKS), results.run("load", side)]
        for side in able
    )
    yield table(["", *WORKS.values(), "run"], rows)
    yield "Time over the ideal by the number at once, of the same runs:\n\n![Agents at once](benchmarks/agents.png)\n"
    for work, title in WORKS.items():
        rows = [
            [side, *(show(results.over(work, side, at)) for at in AGENTS), results.run("load", side)]
            for side in able
            if side in results.figures["load"].get(work, {})
        ]
        if rows:
            yield table([title, *(f"{at:,} at once" for at in AGENTS), "run"], rows)


def _kept(results: Results) -> Iterator[str]:
    kept = results.figures["kept"]
    turns = sorted({int(each) for of in kept.values() for each in of})
    yield "## Growth of a chat\n\nEach turn adds a text of 1,000 characters to a list in the state."
    yield "Milliseconds and bytes a turn, over all turns of a chat; each chat is one measurement, side after side:\n"
    rows = (
        [side, *(_turn(of.get(str(each))) for each in turns), _times(of, turns), results.run("kept", side)]
        for side, of in _ordered(kept)
    )
    yield table(["", *(f"{each} turns" for each in turns), "bytes, last over first", "run"], rows)
    yield "![Growth of a chat](benchmarks/chat.png)\n"


def _turn(found: dict[str, float] | None) -> str:
    if found is None:
        return "not measured"
    return f"{number(found['ms'])} ms" + (f", {found['bytes']:,} B" if found["bytes"] else "")


def _times(found: dict[str, dict[str, float]], turns: Sequence[int]) -> str:
    first, last = (found.get(str(turns[place]), {}).get("bytes", 0) for place in (0, -1))
    return f"{last / first:.1f}" if first and last else "not measured"


def _travel(results: Results) -> Iterator[str]:
    travel = results.figures["travel"]
    points = sorted({int(each) for of in travel.values() for each in of})
    yield "## Going back\n\nSeconds from asking for it until the one step after that point has been done again, and the"
    yield "execution has ended; a roll back ends when it has landed, paused:\n"
    order = names.ordered(map(_side, travel))
    ways = sorted(travel.items(), key=lambda way: order.index(_side(way[0])))
    rows = (
        [name, *(show(Spread.of(of.get(str(each), []))) for each in points), results.run("travel", _side(name))]
        for name, of in ways
    )
    yield table(["", *(f"step {each:,}" for each in points), "run"], rows)


def _side(way: str) -> str:
    return way.rpartition(": ")[0]


def _waiting(results: Results) -> Iterator[str]:
    yield "## Waiting for a person\n\nWhat executions cost that wait, and the memory by which those programs grew that"
    yield "work for the side (MB); one measurement, side after side. What 100,000 would take was not measured: it is"
    yield "in proportion to that. Of memory it is so much at most where it is that of caches, which have bounds.\n"
    rows: list[list[str]] = []
    for side, found in _ordered(results.figures["waiting"]):
        own = {name: mb for name, mb in found.items() if name in names.programs(side)}
        grown = ", ".join(f"{name} {mb:,.0f}" for name, mb in own.items())
        memory = f"{sum(own.values()) * WAITING / found['executions']:,.0f} MB"
        each, size = f"{found['bytes']:,}", f"{found['bytes'] * WAITING / 1e6:,.0f} MB"
        bytes = (each, size) if found["bytes"] else (NOT_MEASURED, NOT_MEASURED)
        started, run = found["executions"] / found["seconds"], results.run("waiting", side)
        rows.append([side, f"{found['executions']:,}", f"{started:,.0f}", bytes[0], grown, memory, bytes[1], run])
    many = f"{WAITING:,} of them, not measured"
    head = ["", "executions", "started a second", "bytes each", "memory", f"{many}: memory", f"{many}: stored", "run"]
    yield table(head, rows)


def _apart(results: Results) -> Iterator[str]:
    found = results.figures["apart"]
    yield "## Many steps, many items\n"
    yield "Programs of their own, each with an installation of its own on the dev server:\n"
    if "long" in found:
        yield from _long(found["long"], results.run("long"))
    if "maps" in found:
        yield from _map(found["maps"], results.run("maps"))


def _long(of: dict[str, Any], run: str) -> Iterator[str]:
    speed, largest, memory = of["steps_per_second"], of["largest_history"], of["worker_mb"]
    command = f'make bench WHAT=long ARGS="--steps {of["steps"]}"'
    yield f"One execution of {of['steps']:,} steps (`{command}`):\n"
    rows = [
        ["run", run],
        ["runs", f"{of['runs']:,}"],
        ["steps a second, first tenth", number(speed["first_tenth"])],
        ["steps a second, last tenth", number(speed["last_tenth"])],
        ["bytes of history a step", f"{of['history_bytes_per_step']:,}"],
        ["largest history", f"{largest['events']:,} events, {largest['bytes']:,} B"],
        [
            "handed to the second run, to the last",
            " B, ".join(f"{of['bytes_started_with'][each]:,}" for each in ("second", "last")) + " B",
        ],
        ["`GET`, nothing read yet", f"{of['get_ms']['nothing_read_yet']:,.0f} ms"],
        ["`GET` again", f"{of['get_ms']['again']:,.0f} ms"],
        ["worker, before and after", f"{memory['begin']:.0f} MB, {memory['end']:.0f} MB"],
        ["load of the machine at the end", str(of["load"])],
    ]
    yield table(["", ""], rows)


def _map(of: dict[str, Any], run: str) -> Iterator[str]:
    parent, above, chunk, memory = of["parent"], of["map"], of["largest_chunk"], of["worker_mb"]
    command = f'make bench WHAT=maps ARGS="--items {of["items"]} --concurrency {of["concurrency"]}"'
    at_once = f"{of['concurrency']} at a time"
    yield f"A map of {of['items']:,} items, each an execution of its own, {at_once} (`{command}`):\n"
    rows = [
        ["run", run],
        ["items a second", number(of["items_per_second"])],
        ["history of the parent", f"{parent['events']:,} events, {parent['bytes']:,} B"],
        ["history of the map", f"{above['events']:,} events, {above['bytes']:,} B"],
        [f"largest of {of['chunks']:,} chunks", f"{chunk['events']:,} events, {chunk['bytes']:,} B"],
        ["worker, before, at most and after", ", ".join(f"{memory[each]:.0f} MB" for each in ("begin", "most", "end"))],
        ["load of the machine at the end", str(of["load"])],
    ]
    yield table(["", ""], rows)


def _requests(results: Results) -> Iterator[str]:
    for where, of in results.figures["requests"].items():
        yield f"## Requests to Cairn, {where}\n\nMilliseconds. A list is of 100,000 executions, which are copies of the"
        yield "row of one, 20 a page. p50 is that of the middle round, with the smallest and the largest where there"
        yield "are several; p99 is that of all rounds together:\n"
        run = results.run("requests", where)
        rows = ([name, show(_p50(found)), f"{found['p99']:.1f}", _rate(found), run] for name, found in of.items())
        yield table(["", "p50", "p99", "a second", "run"], rows)


def _p50(found: dict[str, Any]) -> Spread | None:
    return Spread.of(found.get("rounds", [found["p50"]]))


def _rate(found: dict[str, Any]) -> str:
    return f"{found['per_second']:,.0f}" if "per_second" in found else ""


def _cpu(results: Results) -> Iterator[str]:
    cpu = results.figures["cpu"]
    programs = sorted({name for each in cpu.values() for name in each})
    yield "## Where the time goes\n\nMilliseconds of the processor a step, 20 executions of 20 steps at once:\n"
    rows = (
        [side, *(f"{of[name]:.2f}" if name in of else "" for name in programs), results.run("steps", side)]
        for side, of in _ordered(cpu)
    )
    yield table(["", *programs, "run"], rows)


def _not_done(figures: dict[str, Any]) -> Iterator[str]:
    failed = dict.fromkeys(f"- {each['note']}" for each in figures["failed"])
    lacking = [*absent.rows(figures)]
    if failed or lacking:
        yield "## What was not done\n"
    if failed:
        yield "A side that fails has no figure of that, or keeps the one of an earlier run; what this machine lacks was"
        yield "left out:\n"
        yield "\n".join(failed) + "\n"
    if lacking:
        yield "Rows that tables lack:\n"
        yield "\n".join(lacking)
