"""How to have again what a test did by chance: it records the property ``again``, and pytest's last lines show it."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        each for every in terminalreporter.stats.values() for each in every if isinstance(each, pytest.TestReport)
    ]
    for report in reports:
        if report.when == "call":
            for again in [value for name, value in report.user_properties if name == "again"]:
                terminalreporter.write_line(f"{report.nodeid}: {again}")
