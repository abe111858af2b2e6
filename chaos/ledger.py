"""What happened outside: a file that tools append to, as a shop's books would have it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "LEDGER"
"""Environment variable that tells a worker where the ledger is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        what: ``call`` when a tool begins, ``effect`` when it has done what it is for, ``undo`` when it undid that.
        name: what the graph's author calls the effect; the key of the effect that is undone.
        key: idempotency key.
        attempt: which try of the call, from 1.
        at: seconds since the epoch.
    """

    what: str
    name: str
    key: str
    execution_id: str
    attempt: int
    at: float


class Ledger:
    """A ledger in a folder; gates are files beside it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which must be there."""
        self.folder = folder
        self.file = folder / "ledger.jsonl"

    @classmethod
    def of_environment(cls) -> Ledger:
        """Return the ledger that the environment names."""
        return cls(Path(os.environ[VARIABLE]))

    def write(self, what: str, name: str, key: str, execution_id: str, attempt: int) -> None:
        """Append an entry; lines of several processes do not mix, and a line is there as soon as this returns."""
        entry = Entry(what, name, key, execution_id, attempt, time.time())
        target = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(target, (json.dumps(asdict(entry)) + "\n").encode())
        finally:
            os.close(target)

    def read(self) -> list[Entry]:
        """Return all entries, oldest first."""
        if not self.file.exists():
            return []
        return [Entry(**json.loads(line)) for line in self.file.read_text().splitlines()]

    def keys(self, what: str, name: str, execution_id: str) -> list[str]:
        """Return the idempotency keys of an execution's entries of one name, oldest first."""
        return [e.key for e in self.read() if (e.what, e.name, e.execution_id) == (what, name, execution_id)]

    def open(self, gate: str) -> None:
        """Open a gate for whoever waits at it, now or later."""
        (self.folder / f"{gate}.open").touch()

    def is_open(self, gate: str) -> bool:
        """Whether the gate is open."""
        return (self.folder / f"{gate}.open").exists()


def effects(entries: Iterable[Entry]) -> list[Entry]:
    """Return the effects, each once, as an outside system that honours idempotency keys has them."""
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.what == "effect":
            first.setdefault(entry.key, entry)
    return list(first.values())
