"""What a load costs, on paper: from what one execution of few and one of many steps were measured to take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

DAY = 86_400
WORKER, SANDBOXES, API, TEMPORAL, POSTGRESQL = "worker", "sandboxes", "API", "Temporal", "PostgreSQL"
BYTES, ROWS = "bytes ", "bytes cairn"
LEAST_SHARDS = 512
PAGE = 8_192


@dataclass(frozen=True)
class Assumed:
    """What nobody measured.

    Attributes:
        executions: a day.
        steps: of an execution.
        peak: times the mean of a day.
        planned: share of a core that is planned to be busy at the peak.
        write_ms: milliseconds of a write at the database, for which a shard is held.
        shard: share of the time that a shard is planned to be busy.
        history_days: that Temporal keeps ended executions; what is stored beside a history goes with it.
        rows_days: that Cairn's rows are kept; nothing removes them by itself.
        spare: times what is stored, for dead rows and free space.
    """

    executions: int = 1_000_000
    steps: int = 10
    peak: float = 3.0
    planned: float = 0.6
    write_ms: float = 5.0
    shard: float = 0.05
    history_days: int = 7
    rows_days: int = 90
    spare: float = 1.5


@dataclass(frozen=True)
class Line:
    """What executions of two lengths were measured to take, and any other on the line through them."""

    few: int
    of_few: float
    many: int
    of_many: float

    def of(self, steps: float) -> float:
        """Return what an execution of so many steps takes."""
        return max(self.of_few + (steps - self.few) * self.step, 0.0)

    @property
    def step(self) -> float:
        """Return what one more step takes."""
        return (self.of_many - self.of_few) / (self.many - self.few)


@dataclass(frozen=True)
class Measured:
    """What one side takes; what was not measured is missing.

    Attributes:
        cpu: milliseconds of an execution, by program.
        caused: what an execution causes at Temporal and on the disk.
    """

    cpu: Mapping[str, Line]
    caused: Mapping[str, Line] = field(default_factory=dict[str, Line])


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what it is.
        formula: how it comes about.
        value: None where something was not measured.
    """

    name: str
    formula: str
    value: float | None


class Cost:
    """The figures of one side."""

    def __init__(self, measured: Measured, assumed: Assumed) -> None:
        """Take what was measured and what is assumed."""
        self.measured = measured
        self.assumed = assumed

    @property
    def at_peak(self) -> float:
        """Return executions a second at the peak."""
        return self.assumed.executions / DAY * self.assumed.peak

    def cores(self, *programs: str) -> float | None:
        """Return the cores of programs; None when the first one was not measured."""
        if programs[0] not in self.measured.cpu:
            return None
        ms = sum(line.of(self.assumed.steps) for name in programs if (line := self.measured.cpu.get(name)))
        return self.at_peak * ms / 1_000 / self.assumed.planned

    def speed(self) -> float | None:
        """Return the steps a second of one core that does nothing but a worker's work."""
        cores = self.cores(WORKER, SANDBOXES)
        return self.at_peak * self.assumed.steps / (cores * self.assumed.planned) if cores else None

    def caused(self, name: str) -> float | None:
        """Return what an execution causes."""
        line = self.measured.caused.get(name)
        return None if line is None else line.of(self.assumed.steps)

    def stored(self, *, rows: bool) -> float | None:
        """Return the bytes of an execution that are rows of Cairn, or those that go with its history."""
        stored = {name: line for name, line in self.measured.caused.items() if name.startswith(BYTES)}
        kept = [line.of(self.assumed.steps) for name, line in stored.items() if (name == ROWS) is rows]
        return sum(kept) if stored else None

    def shards(self) -> float | None:
        """Return how many shards the writes at the peak need."""
        writes = _times(self.caused("transitions"), self.at_peak)
        return _times(writes, self.assumed.write_ms / 1_000 / self.assumed.shard)

    def rows(self) -> Iterator[Row]:
        """Yield the figures, those first that others are made of."""
        given, peak = self.assumed, self.at_peak
        worker, api = self.cores(WORKER, SANDBOXES), self.cores(API)
        need, wal, syncs = self.shards(), self.caused("wal bytes"), self.caused("wal syncs")
        history, own = (_times(self.stored(rows=each), given.executions / 1e9) for each in (False, True))
        held = _sum(_times(history, given.history_days), _times(own, given.rows_days))
        yield Row("executions a second at the peak, E", "N ÷ 86,400 · p", peak)
        yield Row("steps a second at the peak", "E · n", peak * given.steps)
        yield Row("steps a second that a busy core of workers does", "n · 1,000 ÷ ms(worker + sandboxes)", self.speed())
        yield Row("worker cores", "E · ms(worker + sandboxes) ÷ 1,000 ÷ u", worker)
        yield Row("worker processes", "worker cores, rounded up; 2 at least", _up(worker, 2))
        yield Row("API cores", "E · ms(API) ÷ 1,000 ÷ u", api)
        yield Row("Temporal service cores", "E · ms(Temporal) ÷ 1,000 ÷ u", self.cores(TEMPORAL))
        yield Row("PostgreSQL cores", "E · ms(PostgreSQL) ÷ 1,000 ÷ u", self.cores(POSTGRESQL))
        yield Row(
            "state transitions a second at the peak, T", "E · transitions", _times(self.caused("transitions"), peak)
        )
        yield Row("shards that T needs", "T · w ÷ b", need)
        yield Row("history shards", f"that, as a power of two; {LEAST_SHARDS} at least", _then(need, shards))
        yield Row("actions a day", "N · actions", _times(self.caused("actions"), given.executions))
        yield Row("commits a second at the peak", "E · commits", _times(self.caused("commits"), peak))
        yield Row("WAL at the peak, MB/s", "E · wal bytes ÷ 10⁶", _times(wal, peak / 1e6))
        yield Row(
            "writes to the disk a second at the peak",
            f"E · (wal syncs + wal bytes ÷ {PAGE:,})",
            _times(_sum(syncs, _times(wal, 1 / PAGE)), peak),
        )
        yield Row("WAL a day, GB", "N · wal bytes ÷ 10⁹", _times(wal, given.executions / 1e9))
        yield Row("growth a day: histories and blobs, GB", "N · bytes of Temporal and blobs ÷ 10⁹", history)
        yield Row("growth a day: rows of Cairn, GB", "N · bytes of Cairn ÷ 10⁹", own)
        yield Row("disk when it is full, GB", "(histories and blobs · dₕ + rows · dᵣ) · s", _times(held, given.spare))


def shards(need: float) -> int:
    """Return the number to set: it can never be changed."""
    return max(LEAST_SHARDS, 2 ** math.ceil(math.log2(max(need, 1))))


def _then(value: float | None, do: Callable[[float], float]) -> float | None:
    return None if value is None else do(value)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _up(value: float | None, least: int) -> float | None:
    return None if value is None else max(least, math.ceil(value))
