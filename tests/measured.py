"""Figures of the benchmarks, as they stand in the JSON."""

from __future__ import annotations

from typing import Any

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
        },
        {
            "steps": 2_000,
            "at_once": 1,
            "size": 100,
            "seconds": {STEP: [60.0, 50.0, 40.0], BY_HAND: [60.0]},
            "short": {STEP: [0.4, 0.5, 0.5], BY_HAND: [0.4]},
        },
    ],
    "cpu": {
        STEP: {"PostgreSQL": 1.5},
        SEGMENT: {"Cairn's worker": 1.45, "Temporal": 1.5, "PostgreSQL": 0.05},
        "DBOS": {"PostgreSQL": 1.5, "the side's process": 3.5},
    },
    "stored": {"100": {SEGMENT: [300, 50, 310], "LangGraph sync": [900], "DBOS": [200], STEP: [-5, -4, 9]}},
    "stored_in": {"100": {SEGMENT: {"executions": 290, "note": 20}, "DBOS": {"steps": 200}}},
    "steps_profile": {SEGMENT: {"picture": "steps-cairn-segment-postgresql.svg"}},
    "load": {"think": {STEP: {"10": [1.1, 1.2]}, BY_HAND: {"10": 1.1}}},
    "largest": {
        "think": {
            STEP: [80, 90, 50],
            BY_HAND: [100, 100, 50],
            SEGMENT: [60, 80, 70],
            "LangGraph sync": [300, 500, 350],
        },
        "ask": {SEGMENT: [30], "DBOS": [20]},
    },
    "load_cpu": {"think": {STEP: {"Temporal": 12.0}, BY_HAND: {"Temporal": 10.5}}},
    "load_profile": {"think": {STEP: {"picture": "think-cairn-step-postgresql.svg"}}},
    "kept": {STEP: {"50": {"ms": 1.0, "bytes": 100}, "500": {"ms": 1.0, "bytes": 250}}},
    "travel": {f"{STEP}: fork": {"10": [0.1, 0.2, 0.3]}},
    "requests": {
        "PostgreSQL": {
            "POST /executions": {"p50": 30, "p99": 90, "rounds": [30.0, 20.0, 60.0]},
            "bare start of a workflow": {"p50": 11, "p99": 40, "rounds": [10.0, 10.0, 15.0]},
            "list, page 1": {"p50": 10, "p99": 20},
            "list, page 5,000": {"p50": 15, "p99": 30},
        }
    },
    "requests_cpu": {"PostgreSQL": {"POST /executions": {"Cairn's API": 11.0}}},
    "api": {
        "PostgreSQL": {
            "picture": "api-postgresql.svg",
            "samples": 500,
            "held": 0.25,
            "threads": {"Python": 1.0},
            "packages": {"database": 0.8},
        }
    },
    "waiting": {
        STEP: {"executions": 2000, "bytes": 5000, "seconds": 20, "Temporal": 12.5, "Restate's server": 7.0},
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
APART = {"long": LONG, "maps": MAP}
_RUN = {name: FIGURES["machine"][name] for name in ("command", "date", "commit", "load_before")}
_ROWS = [STEP, SEGMENT, BY_HAND, "LangGraph sync", "DBOS", "Restate", "PostgreSQL"]
_PARTS = ("steps", "stored", "kept", "travel", "requests", "scale", "load", "waiting", "long", "maps")
RUNS = {part: [{**_RUN, "rows": _ROWS, "beside": False}] for part in _PARTS}
