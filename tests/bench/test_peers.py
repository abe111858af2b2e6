"""What ``bench/peers.py`` measures, and how."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from measured import FIGURES

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


async def test_bytes_are_read_before_and_after_each_round(tmp_path: Path) -> None:
    from sides.plan import Found, Plan
    from sides.side import Failed, Side

    held = [1_000]

    class Grows(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            held[0] += next(grows) * job.steps * at_once
            return 1.0

    class Fills:
        def bytes(self) -> dict[str, int]:
            return {"file": held[0], "another": 7}

    class Fails(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            raise Failed("it did not")

    grows = iter([10, 30, 20])
    found = Found()
    sides = [kind(name, [], {}, tmp_path / "log", [Fills()]) for kind, name in ((Grows, "DBOS"), (Fails, "Prefect"))]
    await Plan(found, tmp_path).stored(sides, [100], 2, 3)

    assert found.stored == {"100": {"DBOS": [10, 30, 20]}}
    assert found.stored_in == {"100": {"DBOS": {"file": 20}}}
    assert [each["side"] for each in found.failed] == ["Prefect"]


def test_figures_that_are_missing_are_found_out() -> None:
    from sides.plan import Found

    written = json.loads(json.dumps(vars(Found())))
    assert written.keys() == FIGURES.keys() - {"machine"}


async def test_rounds_of_later_sides_stand_beside_those_that_are_known(tmp_path: Path) -> None:
    from sides.plan import Cell, Found, Plan
    from sides.side import Side

    class Takes(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            return 2.0

    found = Found(steps=[{"steps": 20, "at_once": 20, "size": 100, "seconds": {"DBOS": [1.0]}}])
    await Plan(found, tmp_path).steps([Takes("Restate", [], {}, tmp_path / "log")], [Cell(20, 20), Cell(1, 1)], 2)

    assert found.steps == [
        {"steps": 20, "at_once": 20, "size": 100, "seconds": {"DBOS": [1.0], "Restate": [2.0, 2.0]}},
        {"steps": 1, "at_once": 1, "size": 100, "seconds": {"Restate": [2.0, 2.0]}},
    ]


def test_a_side_that_did_less_than_it_was_told_fails() -> None:
    from sides.talk import Job, check

    check(Job(3, 10), 3, 10)
    check(Job(3, 10, keep=True), 3, 30)
    for done, size in ((2, 10), (3, 9)):
        with pytest.raises(RuntimeError):
            check(Job(3, 10), done, size)


def test_what_is_told_of_an_error_has_its_cause() -> None:
    from sides.talk import told

    try:
        raise RuntimeError("failed") from ValueError("history is full")
    except RuntimeError as error:
        assert told(error) == "RuntimeError: failed; from ValueError: history is full"


def test_a_peer_whose_server_cannot_be_fetched_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import peers

    monkeypatch.setattr("shutil.which", lambda name: None if name == "mvn" else f"/bin/{name}")

    assert peers.reachable() == ["langgraph", "dbos", "restate", "prefect"]


def test_a_server_is_fetched_once_and_only_as_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sides import venvs

    recorded = json.loads((venvs.LOCKS / "conductor-server.json").read_text())
    assert venvs.conductor_version() == recorded["artifact"].split(":")[2]
    bytes = iter([b"another", b"the jar"])
    fetched: list[list[str]] = []

    def maven(command: list[str], **_: object) -> None:
        fetched.append(command)
        (where,) = (each.partition("=")[2] for each in command if each.startswith("-Dmaven.repo.local="))
        jar = Path(where) / "org" / "server" / "1" / "server-1-boot.jar"
        jar.parent.mkdir(parents=True, exist_ok=True)
        jar.write_bytes(next(bytes))

    (tmp_path / "conductor-server.json").write_text(
        json.dumps({"artifact": "org:server:1:jar:boot", "sha256": hashlib.sha256(b"the jar").hexdigest()})
    )
    monkeypatch.setattr(venvs, "LOCKS", tmp_path)
    monkeypatch.setattr(venvs, "FOLDER", tmp_path)
    monkeypatch.setattr("subprocess.run", maven)

    with pytest.raises(RuntimeError, match=r"server-1-boot\.jar has the SHA-256"):
        venvs.conductor_server()
    for _ in range(2):
        assert Path(venvs.conductor_server()).read_bytes() == b"the jar"
    assert len(fetched) == 2


@pytest.mark.parametrize("most", [7, 33, 150, 5_000])
async def test_the_largest_number_of_agents_is_found(most: int, tmp_path: Path) -> None:
    from sides.plan import Found, Plan
    from sides.side import Side

    class Slows(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            return 5.0 * max(1.0, 1.5 * at_once / most)

    found = Found()
    await Plan(found, tmp_path).load([Slows("a side", [], {}, tmp_path / "log")], "think", 1)

    (largest,) = found.largest["think"]["a side"]
    assert min(most, 1_000) * 0.9 <= largest <= most


def test_what_the_page_asks_of_programs_are_names_that_they_are_given() -> None:
    from sides import cpu, names

    given = {name for _, name in cpu._LABELS}
    assert {names.CAIRNS_WORKER, names.HANDS_WORKER, names.CAIRNS_API, names.TEMPORAL, names.CLIENT} <= given
