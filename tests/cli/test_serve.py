"""``cairn serve``: everything at once, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from cairn.ports import find_free


class Serving:
    """A running ``cairn serve --json``, with the lines of its stream."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.api = f"http://127.0.0.1:{environment['CAIRN_API_PORT']}"
        self.lines: list[dict[str, str]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cairn", "serve", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def said(self, process: str, text: str) -> int:
        return sum(line["process"] == process and text in line["line"] for line in self.lines)

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.lines
            assert self.process.poll() is None, self.lines
            time.sleep(0.05)

    def children(self) -> dict[str, psutil.Process]:
        """Its processes by what they are: temporal, worker, api."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            words = child.cmdline() or ["dead"]
            found["temporal" if "start-dev" in words else words[-1]] = child
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()


def free_ports(environment: dict[str, str]) -> None:
    for name in ("CAIRN_API_PORT", "CAIRN_TEMPORAL_PORT", "CAIRN_TEMPORAL_UI_PORT"):
        environment[name] = str(find_free())


@pytest.fixture
def serving(environment: dict[str, str]) -> Iterator[Serving]:
    free_ports(environment)
    running = Serving(environment)
    yield running
    running.close()


def ready(api: str) -> bool:
    try:
        return httpx2.get(f"{api}/ready", timeout=5).is_success
    except httpx2.HTTPError:
        return False


def test_it_serves_restarts_what_dies_and_ends_all_at_ctrl_c(serving: Serving, cairn_home: Path) -> None:
    serving.until(lambda: serving.said("cairn", "ready") == 1)
    assert ready(serving.api), "a worker polls, and the database and Temporal answer"
    key = (cairn_home / "dev-key").read_text().strip()
    assert serving.said("setup", key) == 1
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx2.get(f"{serving.api}/api/v1/executions", headers=headers).status_code == 200
    assert httpx2.get(f"{serving.api}/api/v1/executions").status_code == 401

    serving.children()["api"].send_signal(signal.SIGKILL)
    serving.until(lambda: serving.said("cairn", "api ended (SIGKILL)") == 1)
    serving.until(lambda: ready(serving.api))

    children = list(serving.children().values())
    assert len(children) == 3
    serving.process.send_signal(signal.SIGINT)
    assert serving.process.wait(timeout=30) == 0
    assert [child for child in children if child.is_running()] == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel must see to it")
def test_nothing_outlives_one_that_is_killed(serving: Serving) -> None:
    serving.until(lambda: len(serving.children()) == 3 and serving.said("worker", "worker serves") == 1)
    children = list(serving.children().values())
    os.kill(serving.process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_a_database_that_is_not_there_ends_it_with_the_reason(environment: dict[str, str]) -> None:
    environment["CAIRN_DATABASE_URL"] = f"postgresql+psycopg://cairn@127.0.0.1:{find_free()}/cairn"
    free_ports(environment)
    running = Serving(environment)
    try:
        assert running.process.wait(timeout=60) == 1
    finally:
        running.close()
    assert running.said("setup", "refused")
    assert not running.said("setup", "Traceback")
