"""The page of ``bench/peers.py``: what it says of an aim is what the figures say."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STEP, SEGMENT, BY_HAND = (f"{name}, PostgreSQL" for name in ("Cairn step", "Cairn segment", "Temporal by hand"))
FIGURES: dict[str, Any] = {
    "machine": {
        "command": "make bench WHAT=peers",
        "date": "2026-01-01",
        "commit": "0000000",
        "cores": 2,
        "processor": "a processor",
        "memory_gb": 8,
        "system": "Linux",
        "python": "3.11",
        "load_before": 0.1,
        "versions": {"langgraph": "1"},
    },
    "steps": [
        {
            "steps": 20,
            "at_once": 20,
            "size": 100,
            "seconds": {
                STEP: [2.0, 2.0, 2.0],
                SEGMENT: [0.4, 0.5, None],
                BY_HAND: [2.0, 1.98, 3.0],
                "LangGraph sync": [1.0, 1.0, 1.0],
                "DBOS": [0.2, 0.2, 0.2],
            },
        }
    ],
    "cpu": {STEP: {"PostgreSQL": 1.5}},
    "stored": {"100": {SEGMENT: 300, "LangGraph sync": 900, "DBOS": 200}},
    "load": {"think": {STEP: {"10": 1.1}, BY_HAND: {"10": 1.1}}},
    "largest": {"think": {STEP: [80], BY_HAND: [100]}},
    "kept": {STEP: {"50": {"ms": 1.0, "bytes": 100}, "500": {"ms": 1.0, "bytes": 250}}},
    "travel": {f"{STEP}: fork": {"10": [0.1, 0.2, 0.3]}},
    "requests": {"PostgreSQL": {"list, page 1": {"p50": 10, "p99": 20}, "list, page 5,000": {"p50": 15, "p99": 30}}},
    "waiting": {STEP: {"executions": 2000, "bytes": 5000, "seconds": 20, "Temporal": 12.5}},
    "failed": ["Prefect: it did not"],
}


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


def test_the_page_shows_every_part_and_what_failed() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert "1.00 (0.99 to 1.50)" in made  # ratios of neighbours, not of medians
    assert f"| {STEP} | 1.00 ms, 100 B | 1.00 ms, 250 B | 2.5 |" in made
    assert f"| {STEP}: fork | 0.20 (0.10 to 0.30) |" in made
    assert f"| {STEP} | 2,000 | 100 | 5,000 | Temporal 12 | 500 MB |" in made
    assert "- Prefect: it did not" in made
    assert "<!--" not in made


def test_a_run_of_nothing_is_a_page_without_figures() -> None:
    from sides.page import page

    nothing = copy.deepcopy(FIGURES)
    for name in nothing.keys() - {"machine"}:
        nothing[name] = [] if name in ("steps", "failed") else {}

    assert "met |" not in page(nothing)


def test_figures_that_are_missing_are_found_out() -> None:
    from sides.plan import Found

    written = json.loads(json.dumps(vars(Found())))
    assert written.keys() == FIGURES.keys() - {"machine"}


def test_a_side_that_did_less_than_it_was_told_fails() -> None:
    from sides.talk import Job, check

    check(Job(3, 10), 3, 10)
    check(Job(3, 10, keep=True), 3, 30)
    for done, size in ((2, 10), (3, 9)):
        with pytest.raises(RuntimeError):
            check(Job(3, 10), done, size)


@pytest.mark.parametrize("most", [7, 33, 150, 5_000])
async def test_the_largest_number_of_agents_is_found(most: int, tmp_path: Path) -> None:
    from sides.plan import Found, Plan
    from sides.side import Side

    class Slows(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            return 5.0 * max(1.0, 1.5 * at_once / most)

    found = Found()
    await Plan(found, tmp_path).load([Slows("a side", [], {}, tmp_path / "log")], "think", 1)

    (largest,) = found.largest["think"]["a side"]
    assert min(most, 1_000) * 0.9 <= largest <= most
