"""Runs the command ``cairn``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cairn.cli import app
from cairn.settings import get_settings

Cairn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(cairn_home: Path) -> dict[str, str]:
    """Environment of the commands; a test adds to it."""
    return {**os.environ, "CAIRN_HOME": str(cairn_home)}


@pytest.fixture
def cairn(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Cairn]:
    """Run ``cairn`` with arguments in this process, which is ten times quicker, and return how it ended."""
    before = dict(os.environ)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        os.environ.update(environment)
        monkeypatch.setattr(sys, "argv", ["cairn", *arguments])
        get_settings.cache_clear()
        capfd.readouterr()
        try:
            status = app.run_command()
        except SystemExit as stop:
            status = stop.code
        out, err = capfd.readouterr()
        assert status is None or isinstance(status, int)
        return subprocess.CompletedProcess(arguments, status or 0, out, err)

    yield run
    os.environ.clear()
    os.environ.update(before)
    get_settings.cache_clear()


@pytest.fixture
def cairn_process(environment: dict[str, str]) -> Cairn:
    """Run ``cairn`` with arguments in a process of its own, as a user does."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cairn", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return run
