"""The worker is killed (-9) when an execution goes on in a new run: another one takes it over, and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from crash.conftest import spending
from crash.site import Site
from graphs import sequence


@pytest.fixture
async def short(site: Site) -> AsyncIterator[Site]:
    """Workers whose executions go on in a new run after few events."""
    usual = site.worker.environment
    site.worker.environment = {**usual, "CAIRN_HISTORY_LIMIT": "20"}
    yield site
    site.worker.environment = usual
    await site.worker.stop()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("step", ["before it goes on in a new run", "in a new run, before it takes up what it carries"])
async def test_an_execution_outlives_the_worker_that_takes_it_over_to_a_new_run(short: Site, step: str) -> None:
    site, names = short, list("abcdef")
    await site.will_crash(site.worker, step)
    execution_id = await site.start(sequence(*[spending(name) for name in names]))
    await site.died(site.worker)
    assert 1 < sum(len(site.effects(name, execution_id)) for name in names) < len(names)
    await site.restart(site.worker)
    now = await site.reach(execution_id, "completed")
    assert [len(site.calls(name, execution_id)) for name in names] == [1] * len(names)
    assert [each["name"] for each in now["checkpoints"]] == ["start", *names]
