"""What happened outside: a service that takes idempotency keys, as a shop with its books."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator, Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

VARIABLE = "LEDGER"
"""Environment variable that tells a worker where the ledger is."""

ACTS = ("effect", "undo")
"""What the service does at most once for a key."""

_WAIT = 60.0
"""Seconds that a writer waits for another one, which may have been frozen in the middle."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, what, name, key, execution_id, attempt, command, at);
CREATE UNIQUE INDEX IF NOT EXISTS once ON entry (key) WHERE what IN ('effect', 'undo');
"""
_COLUMNS = "what, name, key, execution_id, attempt, command, at"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        what: ``call`` when a tool begins, ``effect`` when it has done what it is for, ``undo`` when it undid that,
            ``repeat`` when it asked for what had been done under its key already.
        name: what the graph's author calls the effect; the key of the effect that is undone.
        key: idempotency key.
        attempt: which try of the call, from 1.
        command: Temporal's name of the call, the same for all its tries, whatever key they have.
        at: seconds since the epoch.
    """

    what: str
    name: str
    key: str
    execution_id: str
    attempt: int
    command: str
    at: float


class Ledger:
    """A ledger in a folder, for any number of processes; gates are files beside it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which must be there."""
        self.folder = folder
        self.file = folder / "ledger.sqlite"

    @classmethod
    def of_environment(cls) -> Ledger:
        """Return the ledger that the environment names."""
        return cls(Path(os.environ[VARIABLE]))

    def write(self, what: str, name: str, key: str, execution_id: str, attempt: int, command: str = "") -> Entry:
        """Write an entry, which is there as soon as this returns; return the one that counts.

        Of the entries of one key that say that something was done the first one counts, whoever wrote it; each later
        one is kept as a ``repeat``, and is answered with the first.
        """
        entry = Entry(what, name, key, execution_id, attempt, command, time.time())
        with self._books() as books:
            books.execute("BEGIN IMMEDIATE")
            first = _first(books, key) if what in ACTS else None
            kept = ("repeat" if first else what, *astuple(entry)[1:])
            books.execute(f"INSERT INTO entry ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
            books.execute("COMMIT")
        return first or entry

    def read(self) -> list[Entry]:
        """Return all entries, oldest first."""
        with self._books() as books:
            return [Entry(*row) for row in books.execute(f"SELECT {_COLUMNS} FROM entry ORDER BY number")]

    def keys(self, what: str, name: str, execution_id: str) -> list[str]:
        """Return the idempotency keys of an execution's entries of one name, oldest first."""
        return [e.key for e in self.read() if (e.what, e.name, e.execution_id) == (what, name, execution_id)]

    def open(self, gate: str) -> None:
        """Open a gate for whoever waits at it, now or later."""
        (self.folder / f"{gate}.open").touch()

    def is_open(self, gate: str) -> bool:
        """Whether the gate is open."""
        return (self.folder / f"{gate}.open").exists()

    @contextlib.contextmanager
    def _books(self) -> Generator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.file, timeout=_WAIT, isolation_level=None)) as books:
            books.execute("PRAGMA synchronous = OFF")  # programs die here, the machine does not
            books.executescript(_SCHEMA)
            yield books


def _first(books: sqlite3.Connection, key: str) -> Entry | None:
    done = f"SELECT {_COLUMNS} FROM entry WHERE key = ? AND what IN ('effect', 'undo')"
    row = books.execute(done, (key,)).fetchone()
    return Entry(*row) if row else None


def effects(entries: Iterable[Entry]) -> list[Entry]:
    """Return the effects."""
    return [entry for entry in entries if entry.what == "effect"]
