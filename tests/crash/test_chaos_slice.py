"""A short storm over a whole installation; `make chaos` has the long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.report import page
from chaos.run import Plan, run


@pytest.mark.timeout(300)
async def test_everything_survives_a_short_storm(tmp_path: Path) -> None:
    plan = Plan(seconds=12, seed=7, clients=6)
    outcome = await run(plan, tmp_path)
    report = page(plan, outcome)
    assert not outcome.violations, report
    assert len(outcome.story.found) >= 6, report
    assert sum(outcome.storm.done.values()) >= 5, report


@pytest.mark.chaos
@pytest.mark.timeout(300)
async def test_a_bug_of_a_tool_is_found(tmp_path: Path) -> None:
    outcome = await run(Plan(seconds=5, seed=7, clients=4, tools="crash.buggy_tools"), tmp_path)
    assert {violation.rule for violation in outcome.violations} == {"effects_once"}
