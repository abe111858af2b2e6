"""A side that cannot be started, or dies, is named; the others are measured all the same."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from measured import FIGURES, STEP

ROOT = Path(__file__).parents[2]

_DIES = """
import json, sys
for line in sys.stdin:
    if json.loads(line)["steps"] == 13:
        sys.exit("out of memory")
    print(json.dumps({"seconds": 1.0}), flush=True)
"""
"""A side whose process ends in some jobs."""

_ENDLESS = "import sys, time\nfor line in sys.stdin: time.sleep(600)"
"""A side that waits for its server."""


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


@pytest.fixture
def server() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as running:
        yield running
        running.kill()


async def test_a_peer_whose_server_does_not_come_up_is_left_out_and_its_programs_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from sides import servers

    came_up: list[int] = []

    async def half(self: Any, _: Any) -> None:
        self._add("Conductor", [sys.executable, "run_conductor.py"], [])
        program = await self._program("half", [sys.executable, "-c", "import time; time.sleep(600)"], {})
        came_up.append(program.pid)
        raise TimeoutError("waited 300 s for this, in vain: Conductor answering")

    monkeypatch.setattr(servers, "Postgresql", lambda *_, **__: SimpleNamespace(dsn="", user="", stop=lambda: None))
    monkeypatch.setattr(servers, "create_database", lambda *_: "postgresql://nowhere/none")
    monkeypatch.setattr(servers.venvs, "python", lambda _: sys.executable)
    monkeypatch.setattr(servers.venvs, "restate", lambda _: "/bin/false")
    monkeypatch.setattr(servers.Servers, "_conductor", half)
    started = servers.Servers(tmp_path, None, [], ["dbos", "restate", "prefect", "conductor"])
    async with started.open() as sides:
        assert [side.name for side in sides] == ["DBOS"]
        assert started.failed["restate"].startswith("its server ended with status 1: ")
        assert "No module named prefect" in started.failed["prefect"]
        assert started.failed["conductor"] == "waited 300 s for this, in vain: Conductor answering"
        (half_pid,) = came_up
        with pytest.raises(ProcessLookupError):
            os.kill(half_pid, 0)


async def test_what_was_not_started_is_named_on_the_page_beside_the_figures_of_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import peers
    from sides.page import page
    from sides.side import Side

    class Takes(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            return 1.0

        def stored(self) -> int:
            if self.name == breaks:
                raise LookupError("no such worker")
            return 0

    class Servers:
        def __init__(self, folder: Path, *_: Any) -> None:
            self.folder, self.callers, self.failed = folder, {}, dict(failed)

        @asynccontextmanager
        async def open(self) -> AsyncGenerator[list[Side]]:
            yield [Takes(name, [], {}, tmp_path / "log") for name in ("DBOS", *([] if failed else ["Prefect"]))]

    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps(FIGURES))
    monkeypatch.setattr(peers, "Servers", Servers)
    monkeypatch.setattr("sides.plan.SETTLES", 0)
    monkeypatch.setattr("sides.machine.describe", lambda _: FIGURES["machine"])
    monkeypatch.setattr("sides.absent.missing", lambda **_: {})
    given = argparse.Namespace(add=True, temporal=["postgresql"], peers=["dbos", "prefect"], sides=None, beside=False)
    given.__dict__ |= {"tiny": True, "full": False, "parts": ["kept"]}

    failed, breaks = {"prefect": "its server ended with status 1: killed", "PostgreSQL": "no disk"}, ""
    run = peers.Run(given, figures)
    await run.measure()
    assert not run.whole
    known = json.loads(figures.read_text())
    assert known["kept"]["DBOS"].keys() == {"10", "20"}
    assert known["kept"][STEP] == FIGURES["kept"][STEP]  # of an earlier run
    told = page(known).partition("## What was not done")[2]
    assert "- kept: not started: Prefect: its server ended with status 1: killed\n" in told
    assert told.count("no disk") == 1 and "Temporal by hand, PostgreSQL: no disk" in told
    assert "Prefect: it did not" not in told

    failed.clear()
    run = peers.Run(given, figures)
    await run.measure()
    assert run.whole
    later = page(json.loads(figures.read_text()))
    assert "not started: Prefect" not in later  # it was
    assert "Temporal by hand, PostgreSQL: no disk" in later  # not measured anew

    breaks = "Prefect"
    run = peers.Run(given, figures)
    await run.measure()
    known = json.loads(figures.read_text())
    assert not run.whole and known["kept"].keys() == {STEP, "DBOS"}
    assert "- kept: broken off: LookupError: no such worker\n" in page(known)


async def test_a_side_whose_process_ends_fails_and_does_the_next_job(tmp_path: Path) -> None:
    from sides.side import Failed, Side
    from sides.talk import Job

    side = Side("DBOS", [sys.executable, "-c", _DIES], {}, tmp_path / "log")
    await side.open()
    try:
        assert await side.run(Job(1, 100)) == 1.0
        with pytest.raises(Failed, match="DBOS: its process ended; its log ends so: out of memory"):
            await side.run(Job(13, 100))
        assert await side.run(Job(1, 100)) == 1.0
    finally:
        await side.close()


async def test_a_side_whose_server_ends_is_waited_for_no_longer_and_told_once(
    server: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from sides import side as sides
    from sides.plan import Found, Plan
    from sides.talk import Job

    monkeypatch.setattr(sides, "LOOKS", 0.05)
    side = sides.Side("Restate", [sys.executable, "-c", _ENDLESS], {}, tmp_path / "log", needs=[server])
    await side.open()
    plan = Plan(Found(), tmp_path)
    plan.part = "steps"
    try:
        asked = asyncio.create_task(plan.attempt(side, Job(1, 100)))
        server.kill()
        assert await asked is None
        assert await plan.attempt(side, Job(20, 100), 20) is None
    finally:
        await side.close()
    assert [each["note"] for each in plan.found.failed] == ["steps: Restate: its server ended with status -9"]


async def test_what_one_side_fails_at_the_next_one_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sides.plan import Found, Plan
    from sides.side import Failed, Side

    class Unweighed:
        def bytes(self) -> dict[str, int]:
            raise RuntimeError("transactions are open for 60 s")

    class Weighed:
        def bytes(self) -> dict[str, int]:
            return {"note": 7}

    class Takes(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            if self.name == "Restate":
                raise Failed("it did not")
            return 1.0

    stores = {"Prefect": Unweighed(), "Restate": Weighed(), "DBOS": Weighed()}
    sides = [Takes(name, [], {}, tmp_path / "log", [store], frozenset({"wait"})) for name, store in stores.items()]
    monkeypatch.setattr("sides.plan.SETTLES", 0)
    plan = Plan(Found(), tmp_path)
    await plan.kept(sides, [10])
    await plan.waiting(sides, 50)
    await plan.stored(sides, [100], 1, 1)

    assert {*plan.found.kept} == {*plan.found.waiting} == {*plan.found.stored["100"]} == {"DBOS"}
    told = [each["note"] for each in plan.found.failed if each["side"] == "Prefect"]
    assert len(told) == 3 and all("cannot be told: transactions are open for 60 s" in note for note in told)


def test_folders_of_runs_whose_process_is_gone_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import peers

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, others = tmp_path / f"cairn-peers-{ended.pid}-abc", [tmp_path / f"cairn-peers-{os.getppid()}-abc"]
    others += [tmp_path / "cairn-peers-1234abcd", tmp_path / f"another-{ended.pid}-abc"]
    for each in (left, *others):
        (each / "data").mkdir(parents=True)
    with peers.folder() as made:
        assert made.name.startswith(f"cairn-peers-{os.getpid()}-")
        assert {*tmp_path.iterdir()} == {made, *others}
    assert {*tmp_path.iterdir()} == {*others}
