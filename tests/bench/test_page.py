"""The page of ``bench/peers.py``: what it says of an aim is what the figures say."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from measured import APART, BY_HAND, FIGURES, LATER, RUNS, SEGMENT, STEP

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


def verdict(page: str, aim: str) -> str:
    return next(line for line in page.splitlines() if aim in line).rstrip(" |").rpartition("| ")[2]


def test_the_page_says_which_aims_were_met_and_which_were_missed() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert verdict(made, "steps/s of Cairn step ≥ 0.95") == "met"
    assert verdict(made, "steps/s of Cairn segment above LangGraph sync") == "met"
    assert verdict(made, "steps/s of Cairn segment above DBOS") == "**missed**"
    assert verdict(made, "100 characters, Cairn segment below LangGraph") == "met"
    assert verdict(made, "100 characters, Cairn segment below DBOS") == "**missed**"
    assert verdict(made, "Cairn step, PostgreSQL ≥ 0.95 of Temporal by hand, PostgreSQL (a step waits)") == "**missed**"
    assert verdict(made, "Cairn segment, PostgreSQL ≥ 1 of LangGraph sync (a step waits)") == "**missed**"
    assert verdict(made, "Cairn segment, PostgreSQL ≥ 1 of LangGraph sync (a step asks") == "not measured"
    assert verdict(made, "a step of 2,000 takes") == "met"
    assert verdict(made, "p50 of POST /executions at most 1.5") == "**missed**"
    assert verdict(made, "page 5,000 of a list") == "met"


def test_an_aim_is_of_neighbours_in_a_round_and_shows_how_far_they_are_apart() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert "| 80 (50 to 90) beside 100 (50 to 100): 0.90 (0.80 to 1.00) | 1 | **missed** |" in made
    assert "| 70 (60 to 80) beside 350 (300 to 500): 0.20 (0.16 to 0.20) | 1 | **missed** |" in made
    assert "(Cairn step) | 1.00 (0.80 to 1.50) | 1 | met |" in made
    assert "at most 1.5 times a bare start | 3.00 (2.00 to 4.00) | 1 | **missed** |" in made
    assert "at most twice page 1 | 1.50 | 1 | met |" in made  # one round
    assert "| POST /executions | 30.0 (20.0 to 60.0) | 90.0 |  | 1 |" in made


def test_a_missed_aim_links_the_flame_graphs_of_what_it_compares() -> None:
    from sides.page import page

    parts = page(FIGURES).partition("### What the missed ones are made up of")[2].partition("## Steps")[0]
    of_aim = {aim.partition("*")[0]: aim for aim in parts.split(": *")}

    def linked(text: str) -> str:
        (found,) = (aim for title, aim in of_aim.items() if text in title)
        return found

    assert f"[{STEP}: a step waits](benchmarks/think-cairn-step-postgresql.svg)" in linked("0.95 of Temporal by hand")
    empty = f"[{SEGMENT}: empty steps](benchmarks/steps-cairn-segment-postgresql.svg)"
    assert empty in linked("Cairn segment above DBOS")
    assert empty in linked("≥ 1 of LangGraph sync (a step waits)")  # though there are no parts of it
    assert "[Cairn's API, while executions are started](benchmarks/api-postgresql.svg)" in linked("POST /executions")
    assert ".svg" not in linked("characters, Cairn segment below DBOS")


def test_what_is_missed_by_the_start_alone_is_said_with_what_a_start_takes() -> None:
    from sides.page import page

    langgraph, (few, *others) = "LangGraph sync", FIGURES["steps"]
    one = {**few, "steps": 1, "seconds": {BY_HAND: [0.6, 0.7, 0.8], SEGMENT: [0.9], langgraph: [0.09]}}
    many = {**few, "steps": 200, "seconds": {SEGMENT: [2.0], langgraph: [6.0]}}
    slower = {**few, "seconds": {**few["seconds"], langgraph: [0.3, 0.3, 0.3]}}
    made = page({**FIGURES, "steps": [slower, one, many, *others]})

    assert verdict(made, "steps/s of Cairn segment above LangGraph sync") == "**missed**"
    assert (
        "20 executions at once of one step that does nothing take the workflow by hand 0.70 (0.60 to 0.80) s; all 20 "
        "steps of 20 executions take LangGraph sync 0.30 (0.30 to 0.30) s. Steps/s of Cairn segment, PostgreSQL over "
        "those of LangGraph sync, 20 executions at once: 0.10 with 1 step, 0.67 (0.60 to 0.75) with 20 steps, 3.00 "
        "with 200 steps."
    ) in made
    assert "take the workflow by hand" not in page(FIGURES)


def test_loads_that_were_not_measured_are_named() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert "2 of the 36 loads" in made
    (left_out,) = (line for line in made.splitlines() if line.startswith("100 B: "))
    of_100, of_10_000, of_1_000_000 = left_out.split("; ")
    loads = of_100.removeprefix("100 B: ").split(", ")
    assert "2,000 at 20" in loads and not {"20 at 20", "2,000 at 1"} & {*loads}
    assert of_10_000.startswith("10 KB: 1 at 1, ") and of_1_000_000.endswith("2,000 at 200.")


def test_rows_that_a_table_lacks_are_named_with_the_reason() -> None:
    from sides.page import page

    lacking = page(FIGURES).partition("Rows that tables lack:\n\n")[2].splitlines()

    (back,) = (line for line in lacking if line.startswith("- Going back: "))
    assert "Restate (no such job is written for it here)" in back
    assert "LangGraph exit; LangGraph exit, SQLite (it has one checkpoint" in back
    assert STEP not in back
    (bytes,) = (line for line in lacking if line.startswith("- Bytes stored a step: "))
    assert "Restate; Prefect; Conductor (not asked for in these runs)" in bytes
    (wait,) = (line for line in lacking if line.startswith("- Waiting for a person: "))
    assert "Prefect (a flow that pauses" in wait and "Restate" not in wait


def test_a_run_that_is_not_known_to_have_begun_at_rest_is_marked_at_each_of_its_rows() -> None:
    from sides.page import page

    def made(load: float | None, **told: bool) -> str:
        figures = {**FIGURES, "machine": {**FIGURES["machine"], "load_before": load}}
        run = {name: figures["machine"][name] for name in ("command", "date", "commit", "load_before")}
        return page({**figures, "runs": {"kept": [{**run, "rows": [STEP], "beside": False, **told}]}})

    at_rest = made(1.0)  # half of two cores
    assert "| 1 | `make bench WHAT=peers` | 2026-01-01 | 0000000 | 1.0 | kept |" in at_rest
    assert f"| {STEP} | 1.00 ms, 100 B | 1.00 ms, 250 B | 2.5 | 1 |" in at_rest
    for busy, load in ((made(1.1), "1.1"), (made(None), "not recorded"), (made(0.0, beside=True), "0.0")):
        assert f"| 1† | `make bench WHAT=peers` | 2026-01-01 | 0000000 | {load} | kept |" in busy
        assert f"| {STEP} | 1.00 ms, 100 B | 1.00 ms, 250 B | 2.5 | 1† |" in busy


def test_each_row_of_figures_says_of_which_run_it_is() -> None:
    from sides.page import page

    measured = page({**FIGURES, "apart": APART, "runs": RUNS}).partition("## Steps\n")[2].partition("\n## How each")[0]
    tables = [[*map(str.strip, each.splitlines())] for each in measured.split("\n\n") if each.startswith("| ")]
    of_packages, assumed, formulas = (
        "| package |",
        "|  |  |  |",
        "|  | formula |",
    )  # beside those of threads; no figures
    told = [rows for rows in tables if not rows[0].startswith((of_packages, assumed, formulas))]
    assert len(told) > 12
    for head, _, *rows in told:
        if head.endswith("| run |"):
            known = [row for row in rows if STEP in row or ("PostgreSQL" not in row and "LangGraph" not in row)]
            assert known and all(row.endswith(("| 1 |", "|  |")) for row in known)
            assert any(row.endswith("| 1 |") for row in known)
        else:
            assert rows[0].startswith("| run | 1 |")


def test_runs_in_which_the_workflow_by_hand_was_slower_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from sides.page import ON_UVLOOP, TEMPLATE, page

    assert f"commit {ON_UVLOOP}" in TEMPLATE.read_text().replace("\n ", "")
    monkeypatch.setattr("sides.machine.before", lambda commit, another: commit == "0000000" and another == ON_UVLOOP)
    assert "flatters Cairn (run 1: steps, scale, load)" in page(FIGURES)
    monkeypatch.setattr("sides.machine.before", lambda *_: False)
    assert "flatters Cairn (none)" in page(FIGURES)


def test_the_page_says_what_the_missed_aims_are_made_up_of() -> None:
    from sides.page import page

    made = page(FIGURES)
    parts = made.partition("### What the missed ones are made up of")[2].partition("## Steps")[0]

    assert "Milliseconds of the processor a step: *steps/s of Cairn segment above DBOS" in parts
    assert "|  | the side's process | Temporal | PostgreSQL | Cairn's worker | others | all |" in parts
    assert f"| {SEGMENT} | 0.00 | 1.50 | 0.05 | 1.45 | 0.00 | 3.00 |" in parts
    assert f"| {SEGMENT} | 290 | 0.00 | 20.0 | 0.00 | 310 |" in parts
    assert "| DBOS | 0.00 | 200 | 0.00 | 0.00 | 200 |" in parts
    assert f"| {STEP} | 12.0 | 0.00 | 12.0 |" in parts


def test_the_page_shows_what_the_api_does() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert "| package | Temporal on: PostgreSQL |" in made
    assert "| database | 80.0% |" in made
    assert "](benchmarks/api-postgresql.svg)" in made


def test_the_page_shows_every_part_and_what_failed() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert "1.00 (0.99 to 1.50)" in made  # ratios of neighbours, not of medians
    assert f"| {STEP} | 1.00 ms, 100 B | 1.00 ms, 250 B | 2.5 |" in made
    assert f"| {STEP}: fork | 0.20 (0.10 to 0.30) |" in made
    assert "| a step waits | 10 at once | 30 at once |" in made
    assert f"| {STEP} | 1.15 (1.10 to 1.20) | not measured |" in made
    assert f"| {BY_HAND} | 1.10 | not measured |" in made
    assert f"| {SEGMENT} ÷ DBOS |" in made and f"| {SEGMENT} ÷ Conductor |" not in made
    # of 2,000: fifty times as much
    assert f"| {STEP} | 2,000 | 100 | 5,000 | Temporal 12 | 625 MB | 500 MB |" in made
    assert "| Restate | 2,000 | 100 | not measured | Restate's server 59 | 2,955 MB | not measured |" in made
    assert "- Prefect: it did not" in made
    assert "<!--" not in made


def test_the_page_says_what_a_second_worker_brings_and_where_the_bottleneck_is() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert f"| {STEP} | 100 (50.0 to 100) | 180 (160 to 200) | 1.80 (1.60 to 2.00) | 0.50 (0.50 to 1.00) |" in made
    # 800 steps in 8 seconds, 6 + 5 + 3 ms each: 1.4 cores of two
    assert f"| {STEP} | 1 | 0.60 | 0.30 | 0.50 |  | 1.40 | no processor:" in made
    full = "the machine: 2 cores are full, 43% of it Cairn's worker"
    assert f"| {STEP} | 2 | 1.08 | 0.54 | 0.90 |  | 2.52 | {full} |" in made
    assert f"| {BY_HAND} | 1 |  |  | 0.10 | 0.95 | 1.05 | worker by hand: its core is full |" in made


def test_the_page_shows_what_a_worker_does_and_what_a_million_executions_cost() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert "| the lock is held | 50.0% of the time |" in made
    assert "| Cairn | 39.6% |" in made
    assert "protobuf" not in made
    assert "](benchmarks/worker-cairn-step-postgresql.svg)" in made
    # 10 ms of 1 step and 120 ms of 20 are 62.1 ms of 10; a million a day, three times as many at the peak
    assert f"|  | {STEP} | {BY_HAND} |" in made
    assert "| ms: worker | 1: 10.0, 20: 120, 10: 62.1 | 1: 9.50, 20: 190, 10: 95.0 |" in made
    assert "| worker cores | E · ms(worker + sandboxes) ÷ 1,000 ÷ u | 3.59 | 5.50 |" in made
    assert "| actions a day | N · actions | 14,000,000 | - |" in made


def test_what_other_programs_printed_is_on_the_page() -> None:
    import peers
    from sides.page import page

    read = {part: peers.printed(f"9.1 a second\n{json.dumps(of)}\nSun Nov 22\n") for part, of in APART.items()}
    made = page({**FIGURES, "apart": read})

    assert read == APART
    assert "One execution of 100,000 steps" in made
    assert "| handed to the second run, to the last | 2,800 B, 3,400 B |" in made
    assert "A map of 10,000 items" in made
    assert "| largest of 100 chunks | 821 events, 5,156,829 B |" in made


def test_bytes_are_those_of_the_middle_round_and_less_than_none_are_no_figure() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert f"| {SEGMENT} | 300 (50 to 310) |" in made
    assert f"| {STEP} | not measured |" in made
    assert "| 300 (50 to 310) beside 900 | 1 | met |" in made


def test_figures_of_an_earlier_run_lack_later_parts() -> None:
    from sides.page import page

    known = {name: found for name, found in FIGURES.items() if name not in ("scale", "caused", "profile", "apart")}

    assert "## Scale-out" not in page(known)
    made = page({**known, "scale": FIGURES["scale"]})
    assert "## Scale-out" in made
    assert not any(part in made for part in ("## What a worker does", "a day cost", "## Many steps"))


def test_a_run_of_nothing_is_a_page_without_figures() -> None:
    from sides.page import page

    nothing = copy.deepcopy(FIGURES)
    for name in nothing.keys() - {"machine"}:
        nothing[name] = [] if name in ("steps", "scale", "failed") else {}

    assert "met |" not in page(nothing)


def test_parts_of_several_runs_stand_on_one_page() -> None:
    from sides.earlier import OF_PART, Differs, found_before, rows_of, run_of, runs_of, told
    from sides.page import page

    kept = vars(found_before(FIGURES, LATER))
    assert kept == {name: found for name, found in FIGURES.items() if name != "machine"}
    assert {name for members in OF_PART.values() for name in members} == kept.keys() - {"apart", "failed"}

    runs = runs_of(FIGURES)
    for part in ("load", "scale"):
        told(runs, part, run_of(LATER, rows_of(FIGURES, part)))
    made = page({**FIGURES, "runs": runs})
    first = (
        "| 1 | `make bench WHAT=peers` | 2026-01-01 | 0000000 | 0.1 | steps, stored, kept, travel, requests, waiting |"
    )
    assert f"{first}\n| 2 | `make bench WHAT=peers ARGS=later` | 2026-01-01 | 1111111 | 0.2 | scale, load |\n" in made
    with pytest.raises(Differs, match="cores, versions"):
        found_before(FIGURES, {**LATER, "cores": 4, "versions": {}})


def test_times_of_another_processor_are_not_to_be_compared() -> None:
    from sides.earlier import found_before, run_of, runs_of, told
    from sides.page import page

    other = {**LATER, "processor": "another one"}
    runs = runs_of({**FIGURES, "runs": {"stored": [_without_processor(run_of(LATER, ["DBOS"]))]}})
    assert runs["stored"][0]["processor"] == FIGURES["machine"]["processor"]
    told(runs, "steps", run_of(other, [SEGMENT]))
    made = page({**FIGURES, **vars(found_before(FIGURES, other)), "runs": runs})

    assert "| 1 | `make bench WHAT=peers ARGS=later` | 2026-01-01 | 1111111 | 0.2 | stored |" in made
    assert "| 2† | `make bench WHAT=peers ARGS=later` | 2026-01-01 | 1111111 | 0.2 | steps |" in made
    assert f"cores ({FIGURES['machine']['processor']}; run 2†: another one)," in made


def _without_processor(run):
    return {name: value for name, value in run.items() if name != "processor"}


def test_rows_of_several_runs_stand_in_one_part() -> None:
    from sides.earlier import run_of, runs_of, told
    from sides.page import page

    runs = runs_of(FIGURES)
    told(runs, "stored", run_of(LATER, ["DBOS"], beside=True))
    told(runs, "steps", run_of(LATER, [SEGMENT, "DBOS"]))
    made = page({**FIGURES, "runs": runs})

    assert "| 0000000 | 0.1 | steps, stored, kept, travel, requests, scale, load, waiting |" in made
    assert "| 2 | `make bench WHAT=peers ARGS=later` | 2026-01-01 | 1111111 | 0.2 | steps |" in made
    assert "| 3† | `make bench WHAT=peers ARGS=later` | 2026-01-01 | 1111111 | 0.2 | stored |" in made
    assert "| DBOS | 200 | 3† |" in made and f"| {SEGMENT} | 300 (50 to 310) | 1 |" in made
    assert "| 300 (50 to 310) beside 200 | 1, 3† | **missed** |" in made
    # Neighbours of the same rounds, and sides that did not take turns.
    assert verdict(made, "steps/s of Cairn step ≥ 0.95") == "met"
    assert verdict(made, "steps/s of Cairn segment above DBOS") == "**missed**"
    assert verdict(made, "steps/s of Cairn segment above LangGraph sync") == "not measured"


@pytest.mark.parametrize("part", ["steps", "stored", "kept", "travel", "load", "scale", "waiting"])
def test_a_side_that_is_measured_anew_keeps_nothing_of_earlier_runs(part: str) -> None:
    from sides.earlier import OF_PART, forget, rows_of

    figures = copy.deepcopy(FIGURES)
    rows = rows_of(figures, part)
    assert STEP in rows or part == "stored"
    side = SEGMENT if part == "stored" else STEP
    forget(figures, part, [side])

    assert rows_of(figures, part) == rows - {side}
    others = FIGURES.keys() - set(OF_PART[part])
    assert {name: figures[name] for name in others} == {name: FIGURES[name] for name in others}
    forget(figures, part, [*rows])
    assert not any(figures[member] for member in OF_PART[part])


def test_what_failed_before_and_is_measured_anew_is_not_told() -> None:
    from sides.earlier import forget

    figures = copy.deepcopy(FIGURES)
    for part, side in (("kept", STEP), ("steps", "Prefect")):
        forget(figures, part, [side])
        assert figures["failed"] == FIGURES["failed"]
    forget(figures, "kept", ["Prefect"])
    assert figures["failed"] == []
