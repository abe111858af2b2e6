"""Figures of two sides that were measured in turns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Compared:
    """Two sides, measured A B A B …, so that what else the machine does meets both.

    Attributes:
        cairn: median of the one.
        temporal: median of the other.
        ratio: median of the ratios of neighbours.
        low: smallest of those ratios but for the outer quarter.
        high: largest of those ratios but for the outer quarter.
        pairs: how many there were.
    """

    cairn: float
    temporal: float
    ratio: float
    low: float
    high: float
    pairs: int

    @classmethod
    def of(cls, cairn: Sequence[float], temporal: Sequence[float]) -> Compared:
        """Compare measurements that were made in turns; the first of one belongs to the first of the other."""
        ratios = [a / b for a, b in zip(cairn, temporal, strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        return cls(
            statistics.median(cairn), statistics.median(temporal), statistics.median(ratios), low, high, len(ratios)
        )

    def document(self) -> dict[str, float]:
        """Return it for JSON."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def percentile(values: Sequence[float], rank: int) -> float:
    """Return a percentile (1 to 99) of the values."""
    return statistics.quantiles(values, n=100, method="inclusive")[rank - 1]
