"""CPU and memory of the driver's programs."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil

from sides import names

_LABELS = (
    ("handwritten.py", "worker by hand"),
    ("model_server.py", "model server"),
    ("run_", "the side's process"),
    ("restate-server", "Restate's server"),
    ("prefect", "Prefect's server"),
    ("conductor-server", "Conductor's server"),
    ("start-dev", "Temporal"),
    ("--allow-no-auth", "Temporal"),
    ("cairn worker", "Cairn's worker"),
    ("cairn api", "Cairn's API"),
    ("cairn serve", "cairn serve"),
)


def label(process: psutil.Process) -> str | None:
    """Say what a process is to readers."""
    if process.name().startswith("postgres"):
        return "PostgreSQL"
    command = " ".join(process.cmdline())
    return next((name for part, name in _LABELS if part in command), None)


def programs(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Yield the processes with what they are; the folder has the data of our PostgreSQL."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has ended
            # PostgreSQL's processes are children of none of ours.
            ours = psutil.Process() in process.parents() or Path(process.cwd()).is_relative_to(folder)
            name = label(process) if ours else None
            if name is not None:
                yield name, process


def memory(folder: Path) -> dict[str, float]:
    """Return the megabytes that only the process itself uses, by program."""
    found: dict[str, float] = defaultdict(float)
    for name, process in programs(folder):
        with contextlib.suppress(psutil.Error):
            found[name] += process.memory_full_info().uss / 1e6
    return found


class Cpu:
    """What was taken until a moment."""

    def __init__(self, folder: Path) -> None:
        """Read it now."""
        self._folder = folder
        self._before = self._read()
        self._busy = _busy()

    def since(self, steps: int) -> dict[str, float]:
        """Return milliseconds a step since then, by program."""
        busy = _busy() - self._busy  # before the reading of all processes, which takes a while
        now = self._read()
        spent = {name: now[name] - self._before.get(name, 0.0) for name in now}
        spent[names.OTHERS] = busy - sum(spent.values())
        found = {name: seconds * 1_000 / steps for name, seconds in spent.items()}
        return {name: round(ms, 2) for name, ms in found.items() if ms >= 0.05}

    def _read(self) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for name, process in programs(self._folder):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                found[name] += times.user + times.system
                if name == names.CAIRNS_WORKER:  # its sandboxes: each a process, which soon ends
                    found[names.SANDBOXES] += times.children_user + times.children_system
        return found


def _busy() -> float:
    """Return the seconds that the whole machine has worked."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system
