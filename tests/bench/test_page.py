"""The page of ``bench/peers.py``: what it says of an aim is what the figures say."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from measured import APART, BY_HAND, FIGURES, LATER, SEGMENT, STEP

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
    assert verdict(made, "a step of 2,000 takes") == "not measured"
    assert verdict(made, "page 5,000 of a list") == "met"


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
    assert f"| {STEP} | 2,000 | 100 | 5,000 | Temporal 12 | 500 MB |" in made
    assert "| Restate | 2,000 | 100 | not measured | Restate's server 59 | not measured |" in made
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

    assert f"| {SEGMENT} | 300 (50.0 to 310) |" in made
    assert f"| {STEP} | not measured |" in made
    assert "| 300 to 900 | met |" in made


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
    (first,) = (line for line in made.splitlines() if "commit 0000000" in line)
    (second,) = (line for line in made.splitlines() if "commit 1111111" in line)
    assert first.startswith("| steps, stored, kept, travel, requests, waiting | `make bench WHAT=peers`, 2026-01-01")
    assert second.startswith("| scale, load | `make bench WHAT=peers ARGS=later`")
    with pytest.raises(Differs, match="cores, versions"):
        found_before(FIGURES, {**LATER, "cores": 4, "versions": {}})


def test_rows_of_several_runs_stand_in_one_part() -> None:
    from sides.earlier import run_of, runs_of, told
    from sides.page import page

    runs = runs_of(FIGURES)
    told(runs, "stored", run_of(LATER, ["DBOS"], beside=True))
    told(runs, "steps", run_of(LATER, [SEGMENT, "DBOS"]))
    made = page({**FIGURES, "runs": runs})

    (first,) = (line for line in made.splitlines() if "commit 0000000" in line)
    assert first.startswith("| steps: the others, stored: the others, kept, ")
    assert f"| steps: {SEGMENT}; DBOS, stored: DBOS (beside other work) | `make bench WHAT=peers ARGS=later`" in made
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
