"""The bugs that storms have to find break nothing else: one that no longer fits the code would be found by anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash import bugs
from crash.site import Site

IN_STORMS = (bugs.effect_twice, bugs.not_deterministic, bugs.said_twice)
"""Those that `make test` has in storms."""

OTHERS = [bug for bug in bugs.SEEDED if bug not in (*IN_STORMS, bugs.never_ends)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("bug", OTHERS, ids=lambda bug: bug.__name__)
async def test_an_execution_ends_beside_a_bug(site: Site, abc: str, bug: Callable[[], None]) -> None:
    for program in (site.api, site.worker):
        await program.stop()
        program.prepare = bug
    await site.up()
    execution = await site.start(abc)
    await site.reach(execution, "completed")
