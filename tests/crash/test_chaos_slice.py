"""A short storm over a whole installation; `make chaos` has the long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.report import lines
from chaos.run import Plan, run


@pytest.mark.timeout(300)
async def test_everything_survives_a_short_storm(tmp_path: Path) -> None:
    outcome = await run(Plan(seconds=12, seed=7, clients=6), tmp_path)
    report = "\n".join(lines(outcome.story, outcome.storm, outcome.violations))
    assert not outcome.violations, report
    assert len(outcome.story.found) >= 6, report
    assert sum(outcome.storm.done.values()) >= 5, report
