"""Tests side by side (``make test`` gives pytest ``-n auto``): which go together, and in which order.

Tests mostly wait: for processes, servers and timers, some with deadlines. So there is one pytest a processor. What goes
together shares what is dear to start: a file, the whole of ``crash``, of ``docs``, and of a file each database's tests,
for a pytest has one lasting installation at a time.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

AT_MOST = 6
"""Each has a Temporal server and a PostgreSQL server of its own."""
STORMS = "tests/crash/test_storms.py"
"""One after the other: each takes what a processor has to give."""
FIRST = (
    STORMS,
    "tests/api/test_openapi.py",  # beside the storms: it waits for nothing that has to come within seconds
    "tests/crash",
    "tests/cli/test_client_commands.py",
    "tests/system/test_programs.py",
    "tests/cli/test_demo.py",
    "tests/system/",
    "tests/docs",
    "tests/cli/",
)
"""What takes long begins early, so that none is left alone with it at the end; by the beginning of its unit's name."""
_DATABASE = re.compile(r"\[(?:.*-)?(sqlite|postgresql)(?:-.*)?\]$")


def unit_of(test: str) -> str:
    """Return the name of what goes together with a test, by the test's id."""
    file = test.partition("::")[0]
    if file == STORMS:
        return file
    for whole in ("tests/crash", "tests/docs"):
        if file.startswith(f"{whole}/"):
            return whole
    if file == "tests/api/test_openapi.py":  # each surface takes long
        return test
    database = _DATABASE.search(test)
    return f"{file}[{database[1]}]" if database else file


def place_of(test: str) -> tuple[int, bool]:
    """Return what units are ordered by; each database's are together."""
    unit = unit_of(test)
    first = next((place for place, name in enumerate(FIRST) if unit.startswith(name)), len(FIRST))
    return first, unit.endswith("[postgresql]")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many run side by side."""
    return max(2, min(os.cpu_count() or 1, AT_MOST))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests of one that runs beside others."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Return what hands the units out, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)
