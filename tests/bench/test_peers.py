"""The page of ``bench/peers.py``: what it says of an aim is what the figures say."""

from __future__ import annotations

import copy
import hashlib
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
    "stored": {"100": {SEGMENT: [300, 50, 310], "LangGraph sync": [900], "DBOS": [200], STEP: [-5, -4, 9]}},
    "load": {"think": {STEP: {"10": 1.1}, BY_HAND: {"10": 1.1}}},
    "largest": {"think": {STEP: [80], BY_HAND: [100]}},
    "kept": {STEP: {"50": {"ms": 1.0, "bytes": 100}, "500": {"ms": 1.0, "bytes": 250}}},
    "travel": {f"{STEP}: fork": {"10": [0.1, 0.2, 0.3]}},
    "requests": {"PostgreSQL": {"list, page 1": {"p50": 10, "p99": 20}, "list, page 5,000": {"p50": 15, "p99": 30}}},
    "waiting": {
        STEP: {"executions": 2000, "bytes": 5000, "seconds": 20, "Temporal": 12.5},
        "Restate": {"executions": 2000, "bytes": 0, "seconds": 20, "Restate's server": 59.1},
    },
    "scale": [
        {
            "on": "PostgreSQL",
            "steps": steps,
            "at_once": 40,
            "work": "produce",
            "seconds": {
                STEP: {"1": [8.0, 8.0, 16.0], "2": [5.0, 4.0, None]},
                BY_HAND: {"1": [8.0, 4.0, 8.0], "2": [4.0, 4.0, 4.0]},
            },
            "cpu": {
                STEP: {
                    "1": [{"Cairn's worker": worker, "Temporal": 5.0, "PostgreSQL": 3.0}] * 3,
                    "2": [{"Cairn's worker": worker, "Temporal": 5.0, "PostgreSQL": 3.0}] * 2,
                },
                BY_HAND: {"1": [{"worker by hand": 9.5, "Temporal": 1.0}] * 3},
            },
        }
        for steps, worker in ((1, 10.0), (20, 6.0))
    ],
    "caused": {
        STEP: {
            "1": {"transitions": 6.0, "actions": 5.0, "bytes temporal": 4_000.0, "bytes cairn": 1_000.0},
            "20": {"transitions": 63.0, "actions": 24.0, "bytes temporal": 23_000.0, "bytes cairn": 1_000.0},
        }
    },
    "profile": {
        STEP: {
            "picture": "worker-cairn-step-postgresql.svg",
            "samples": 1_000,
            "held": 0.5,
            "threads": {"Python": 0.7, "core of temporalio, in Rust": 0.3},
            "packages": {"temporalio": 0.6, "Cairn": 0.396, "protobuf": 0.004},
        }
    },
    "apart": {},
    "failed": [{"part": "kept", "side": "Prefect", "note": "Prefect: it did not"}],
}
LATER = {**FIGURES["machine"], "command": "make bench WHAT=peers ARGS=later", "commit": "1111111", "load_before": 0.2}
LONG = {
    "steps": 100_000,
    "branches": 10,
    "runs": 90,
    "steps_per_second": {"first_tenth": 130.0, "last_tenth": 120.0},
    "history_bytes_per_step": 820,
    "largest_history": {"events": 4_134, "bytes": 900_000},
    "bytes_started_with": {"first": 1, "second": 2_800, "last": 3_400},
    "get_ms": {"nothing_read_yet": 2_100.0, "again": 150.0, "lineage": 400.0},
    "worker_mb": {"begin": 192.0, "middle": 200.0, "end": 211.0},
    "load": 1.5,
}
MAP = {
    "items": 10_000,
    "concurrency": 50,
    "items_per_second": 9.1,
    "parent": {"events": 23, "bytes": 55_471},
    "map": {"events": 902, "bytes": 5_538_579},
    "largest_chunk": {"events": 821, "bytes": 5_156_829},
    "chunks": 100,
    "worker_mb": {"begin": 200.5, "most": 319.4, "end": 309.1},
    "load": 3.5,
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


def test_what_other_programs_printed_is_on_the_page(tmp_path: Path) -> None:
    import peers
    from sides.page import page

    printed = [tmp_path / name for name in ("long.txt", "maps.txt")]
    for file, found in zip(printed, (LONG, MAP), strict=True):
        file.write_text(f"9.1 a second\n{json.dumps(found)}\nSun Nov 22\n")
    read = peers.programs(printed)
    made = page({**FIGURES, "apart": read})

    assert read == {"long": LONG, "map": MAP}
    assert "One execution of 100,000 steps" in made
    assert "| handed to the second run, to the last | 2,800 B, 3,400 B |" in made
    assert "A map of 10,000 items" in made
    assert "| largest of 100 chunks | 821 events, 5,156,829 B |" in made
    printed[0].write_text('{"turns": 5}')
    with pytest.raises(SystemExit):
        peers.programs(printed)


def test_bytes_are_those_of_the_middle_round_and_less_than_none_are_no_figure() -> None:
    from sides.page import page

    made = page(FIGURES)

    assert f"| {SEGMENT} | 300 (50.0 to 310) |" in made
    assert f"| {STEP} | not measured |" in made
    assert "| 300 to 900 | met |" in made


async def test_bytes_are_read_before_and_after_each_round(tmp_path: Path) -> None:
    from sides.plan import Found, Plan
    from sides.side import Failed, Side

    held = [1_000]

    class Grows(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            held[0] += next(grows) * job.steps * at_once
            return 1.0

    class Fills:
        def bytes(self) -> int:
            return held[0]

    class Fails(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            raise Failed("it did not")

    grows = iter([10, 30, 20])
    found = Found()
    sides = [kind(name, [], {}, tmp_path / "log", [Fills()]) for kind, name in ((Grows, "DBOS"), (Fails, "Prefect"))]
    await Plan(found, tmp_path).stored(sides, [100], 2, 3)

    assert found.stored == {"100": {"DBOS": [10, 30, 20]}}
    assert [each["side"] for each in found.failed] == ["Prefect"]


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


def test_figures_that_are_missing_are_found_out() -> None:
    from sides.plan import Found

    written = json.loads(json.dumps(vars(Found())))
    assert written.keys() == FIGURES.keys() - {"machine"}


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


async def test_rounds_of_later_sides_stand_beside_those_that_are_known(tmp_path: Path) -> None:
    from sides.plan import Cell, Found, Plan
    from sides.side import Side

    class Takes(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            return 2.0

    found = Found(steps=[{"steps": 20, "at_once": 20, "size": 100, "seconds": {"DBOS": [1.0]}}])
    await Plan(found, tmp_path).steps([Takes("Restate", [], {}, tmp_path / "log")], [Cell(20, 20), Cell(1, 1)], 2)

    assert found.steps == [
        {"steps": 20, "at_once": 20, "size": 100, "seconds": {"DBOS": [1.0], "Restate": [2.0, 2.0]}},
        {"steps": 1, "at_once": 1, "size": 100, "seconds": {"Restate": [2.0, 2.0]}},
    ]


def test_a_side_that_did_less_than_it_was_told_fails() -> None:
    from sides.talk import Job, check

    check(Job(3, 10), 3, 10)
    check(Job(3, 10, keep=True), 3, 30)
    for done, size in ((2, 10), (3, 9)):
        with pytest.raises(RuntimeError):
            check(Job(3, 10), done, size)


def test_what_is_told_of_an_error_has_its_cause() -> None:
    from sides.talk import told

    try:
        raise RuntimeError("failed") from ValueError("history is full")
    except RuntimeError as error:
        assert told(error) == "RuntimeError: failed; from ValueError: history is full"


def test_a_peer_whose_server_cannot_be_fetched_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import peers

    monkeypatch.setattr("shutil.which", lambda name: None if name == "mvn" else f"/bin/{name}")

    assert peers.reachable() == ["langgraph", "dbos", "restate", "prefect"]


def test_a_server_is_fetched_once_and_only_as_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sides import venvs

    recorded = json.loads((venvs.LOCKS / "conductor-server.json").read_text())
    assert venvs.conductor_version() == recorded["artifact"].split(":")[2]
    bytes = iter([b"another", b"the jar"])
    fetched: list[list[str]] = []

    def maven(command: list[str], **_: object) -> None:
        fetched.append(command)
        (where,) = (each.partition("=")[2] for each in command if each.startswith("-Dmaven.repo.local="))
        jar = Path(where) / "org" / "server" / "1" / "server-1-boot.jar"
        jar.parent.mkdir(parents=True, exist_ok=True)
        jar.write_bytes(next(bytes))

    (tmp_path / "conductor-server.json").write_text(
        json.dumps({"artifact": "org:server:1:jar:boot", "sha256": hashlib.sha256(b"the jar").hexdigest()})
    )
    monkeypatch.setattr(venvs, "LOCKS", tmp_path)
    monkeypatch.setattr(venvs, "FOLDER", tmp_path)
    monkeypatch.setattr("subprocess.run", maven)

    with pytest.raises(RuntimeError, match=r"server-1-boot\.jar has the SHA-256"):
        venvs.conductor_server()
    for _ in range(2):
        assert Path(venvs.conductor_server()).read_bytes() == b"the jar"
    assert len(fetched) == 2


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


def test_what_the_page_asks_of_programs_are_names_that_they_are_given() -> None:
    from sides import cpu, names

    given = {name for _, name in cpu._LABELS}
    assert {names.CAIRNS_WORKER, names.HANDS_WORKER, names.CAIRNS_API, names.TEMPORAL, names.CLIENT} <= given
