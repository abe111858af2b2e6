"""Runs the command ``cairn`` as a user does: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Cairn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(cairn_home: Path) -> dict[str, str]:
    """Environment of the commands; a test adds to it."""
    return {**os.environ, "CAIRN_HOME": str(cairn_home)}


@pytest.fixture
def cairn(environment: dict[str, str]) -> Cairn:
    """Run ``cairn`` with arguments and return how it ended."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cairn", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return run
