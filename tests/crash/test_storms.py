"""Storms over whole installations; `make chaos` has those on PostgreSQL, with more clients."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.report import page
from chaos.run import Plan, run


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [7, None], ids=["fixed", "fresh"])
async def test_everything_survives_a_storm(
    seed: int | None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seed = random.randrange(1 << 31) if seed is None else seed
    # Whatever else the machine does then: what is late is not lost.
    plan = Plan(seconds=90, seed=seed, clients=6, settle=600)
    again = f"make chaos SECONDS={plan.seconds} SEED={seed} SERVER=dev ARGS='--clients {plan.clients}'"
    record_property("again", again)
    outcome = await run(plan, tmp_path)
    report = f"{page(plan, outcome)}\nAgain: {again}\n"
    assert not outcome.violations, report
    assert len(outcome.story.found) >= 6, report
    assert sum(outcome.storm.done.values()) >= 15, report


@pytest.mark.chaos
@pytest.mark.timeout(300)
async def test_a_bug_of_a_tool_is_found(tmp_path: Path) -> None:
    outcome = await run(Plan(seconds=5, seed=7, clients=4, tools="crash.bugs.effect_twice"), tmp_path)
    assert {violation.rule for violation in outcome.violations} == {"effects_once"}
