"""Property tests: the same examples each run, and no clock (the machine may be busy)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "cairn", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("cairn")
