"""``cairn demo``: what a user sees first."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The demo makes its folder in the test's, so that what it leaves can be seen."""
    ignored = {"CAIRN_HOME": "/nowhere", "CAIRN_DATABASE_URL": "nonsense", "TEMPORAL_ADDRESS": "nowhere:7233"}
    return {**os.environ, **ignored, "TMPDIR": str(tmp_path), "CAIRN_DEFAULT_MODEL": "offline"}


def processes_of(folder: Path) -> list[psutil.Process]:
    """All processes whose data are in the folder."""

    def of_folder() -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                if process.environ().get("CAIRN_HOME", "").startswith(str(folder)):
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue

    return list(of_folder())


def test_it_fails_replays_rolls_back_and_leaves_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cairn", "demo"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    said = result.stdout
    for once in (
        "the model is offline",
        "✗ Review",
        "✗ failed",
        "paused at 'Plan'",
        "first run ",
        "API docs",
        "Web UI",
    ):
        assert once in said
    assert said.index("✗ failed") < said.index("/replay") < said.index("/rollback") < said.index("/resume")
    assert "3 requests, 2 keys" in said
    assert [line for line in said.splitlines() if "● Plan ──" in line]
    assert "operators" in said[said.index("The result") :]
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_as_json_it_is_one_document_on_the_ports_that_are_set(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment["CAIRN_API_PORT"] = str(port)
    command = [sys.executable, "-m", "cairn", "demo", "--json"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    document = json.loads(result.stdout)
    assert (result.returncode, document["docs"]) == (0, f"http://127.0.0.1:{port}/docs")
    execution = document["execution"]
    assert execution["status"] == "completed"
    assert execution["output_data"]["review"]["approved"] is True
    assert [checkpoint["name"] for checkpoint in execution["checkpoints"]][:2] == ["start", "Plan"]


def test_a_taken_port_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment["CAIRN_API_PORT"] = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "cairn", "demo"]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert result.returncode == 1
        assert f"Port {environment['CAIRN_API_PORT']}" in result.stderr
    (log,) = tmp_path.iterdir()
    assert log.suffix == ".log"
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_stopped_in_the_middle_it_leaves_nothing(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "cairn", "demo"]
    environment["PYTHONUNBUFFERED"] = "1"
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as demo:
        assert demo.stdout
        assert any("POST" in line for line in demo.stdout)
        assert len(processes_of(tmp_path)) >= 4
        demo.send_signal(number)
        demo.stdout.read()
    assert demo.returncode > 0
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
