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
    from sides.cells import Cell
    from sides.plan import Found, Plan
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


async def test_a_long_execution_stands_beside_short_ones_of_its_round(tmp_path: Path) -> None:
    from sides.cells import LONG, Cell
    from sides.plan import Found, Plan
    from sides.side import Side

    ran: list[tuple[str, int]] = []

    class Slows(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            ran.append((self.name, job.steps))
            return float(len(ran))

    found = Found()
    sides = [Slows(name, [], {}, tmp_path / "log") for name in ("Cairn step, PostgreSQL", "Prefect")]
    await Plan(found, tmp_path).steps(sides, [Cell(LONG, 1)], None)

    assert [steps for _, steps in ran] == [20, 20, 20, LONG] * 4
    (cell,) = found.steps
    assert cell["seconds"] == {"Cairn step, PostgreSQL": [4.0, 12.0, 16.0], "Prefect": [8.0]}
    assert cell["short"] == {"Cairn step, PostgreSQL": [2.0, 10.0, 14.0], "Prefect": [6.0]}


async def test_sides_that_are_slow_are_left_out_of_thousands_of_steps(tmp_path: Path) -> None:
    from sides.cells import QUICK, Cell
    from sides.plan import Found, Plan
    from sides.side import Side

    class Takes(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            return 1.0

    found = Found()
    sides = [Takes(name, [], {}, tmp_path / "log") for name in ("Temporal by hand, PostgreSQL", "DBOS")]
    cell = Cell(200, 20)
    assert cell in QUICK
    await Plan(found, tmp_path).steps(sides, [cell], None)
    await Plan(found, tmp_path).steps(sides[:1], [cell], None)
    assert found.steps[0]["seconds"] == {"DBOS": [1.0]}
    await Plan(found, tmp_path).steps(sides, [cell], 1)
    assert found.steps[0]["seconds"] == {"Temporal by hand, PostgreSQL": [1.0], "DBOS": [1.0]}


def test_a_side_that_did_less_than_it_was_told_fails() -> None:
    from sides.talk import Job, check

    check(Job(3, 10), 3, 10)
    check(Job(3, 10, keep=True), 3, 30)
    for done, size in ((2, 10), (3, 9)):
        with pytest.raises(RuntimeError):
            check(Job(3, 10), done, size)


@pytest.mark.parametrize("tries", [2, 3, 4])
async def test_a_side_that_brings_what_an_earlier_step_brought_fails(tries: int) -> None:
    from sides import work
    from sides.talk import Job, run

    async def execute(job: Job) -> None:
        for _ in range(tries):
            await work.do(job.work, job.size)

    if tries < 3:
        with pytest.raises(RuntimeError, match="4 of 6 steps"):
            await run(execute, Job(3, 10), 2, work.done)
    else:  # a step that failed is tried again
        assert (await run(execute, Job(3, 10), 2, work.done))["seconds"] > 0


async def test_an_execution_that_waits_for_a_person_does_no_step() -> None:
    from sides import work
    from sides.talk import Job, run

    async def execute(job: Job) -> None:
        pass

    await run(execute, Job(1, 10, "wait"), 2, work.done)


def test_what_is_told_of_an_error_has_its_cause() -> None:
    from sides.talk import told

    try:
        raise RuntimeError("failed") from ValueError("history is full")
    except RuntimeError as error:
        assert told(error) == "RuntimeError: failed; from ValueError: history is full"


def test_what_this_machine_lacks_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import peers
    from sides import absent
    from sides.page import page

    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name == "npm" else None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nothing is built there
    left_out = absent.missing(on_postgresql=True)

    assert list(left_out) == ["Temporal on PostgreSQL", "Conductor", "Requests of 50 clients"]
    assert peers.stands_on(left_out) == ["dev"]
    assert peers.stands_on({}) == ["dev", "postgresql"]
    assert "Temporal on PostgreSQL" not in absent.missing(on_postgresql=False)
    made = page({**FIGURES, "failed": absent.failures(left_out)})
    assert "- Temporal on PostgreSQL: Temporal 1.29.1 is built from source, and there is no `go`" in made
    assert "- Conductor: its server is fetched by mvn, which is not on the PATH" in made


def test_what_was_left_out_before_is_not_told_of_a_machine_that_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import argparse

    import peers
    from sides import absent

    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({**FIGURES, "failed": [*FIGURES["failed"], *absent.failures({"Conductor": "no"})]}))
    monkeypatch.setattr("sides.machine.describe", lambda _: FIGURES["machine"])
    monkeypatch.setattr("sides.absent.missing", lambda **_: {"Restate": "its server is not there"})
    given = argparse.Namespace(add=True, temporal=None, peers=("dbos", "restate"), beside=False)
    run = peers.Run(given, figures)

    assert [each["side"] for each in run._found.failed] == ["Prefect", "Restate"]
    assert run._peers == ["dbos"]


def test_the_machine_of_the_page_is_that_of_its_last_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import argparse

    import peers
    from sides.page import page

    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({**FIGURES, "runs": {}}))
    monkeypatch.setattr("sides.absent.missing", lambda **_: {})
    given = argparse.Namespace(add=True, temporal=["postgresql"], peers=["dbos"], beside=False)
    first = FIGURES["machine"]["processor"]
    for processor, part in ((first, "kept"), ("a later one", "stored"), ("a later one", "travel")):
        monkeypatch.setattr("sides.machine.describe", lambda _, of=processor: {**FIGURES["machine"], "processor": of})
        peers.Run(given, figures)._write(part, ["DBOS"])

    assert f"cores (a later one; run 1†: {first})," in page(json.loads(figures.read_text()))


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


@pytest.mark.parametrize("most", [4, 7, 33, 150, 5_000])
async def test_the_largest_number_of_agents_is_found(most: int, tmp_path: Path) -> None:
    from sides.plan import Found, Plan
    from sides.side import Side

    class Slows(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            tried[-1].append(at_once)
            return 5.0 * max(1.0, 1.5 * at_once / most)

    found, tried = Found(), [[]]
    side = Slows("DBOS", [], {}, tmp_path / "log")
    await Plan(found, tmp_path).load([side], "think", 1)

    assert tried[0][:2] == [10, 5] if most < 10 else [10, 20]
    (largest,) = found.largest["think"]["DBOS"]
    assert min(most, 1_000) * 0.9 <= largest <= most
    assert all(len(times) == 1 for times in found.load["think"]["DBOS"].values())


@pytest.mark.parametrize("later", [20, 60, 95, 105, 300])
async def test_a_later_search_begins_where_the_first_ended(later: int, tmp_path: Path) -> None:
    from sides.plan import Found, Plan
    from sides.side import Side

    tried: list[int] = []

    class Slows(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            tried.append(at_once)
            return 5.0 * max(1.0, 1.5 * at_once / later)

    found = Found(largest={"think": {"DBOS": [100], "Prefect": [100]}})
    sides = [Slows(name, [], {}, tmp_path / "log") for name in ("DBOS", "Prefect")]
    plan = Plan(found, tmp_path)
    await plan.load(sides[:1], "think", 1)

    assert tried[0] == 100
    assert later * 0.9 <= found.largest["think"]["DBOS"][1] <= later
    assert len(tried) <= 9 and (not 80 <= later <= 120 or len(tried) == 2)


async def test_every_side_is_measured_with_as_many_agents_however_long_it_takes(tmp_path: Path) -> None:
    from sides.cells import AGENTS
    from sides.plan import Found, Plan
    from sides.side import Failed, Side

    class Takes(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            if self.name == "Conductor" and at_once == AGENTS[-1]:
                raise Failed("not in time")
            tried.append((self.name, at_once))
            return 5.0 * at_once / 10

    tried: list[tuple[str, int]] = []
    found = Found(load={"think": {"DBOS": {"10": [1.1, 1.2]}}})
    sides = [Takes(name, [], {}, tmp_path / "log") for name in ("DBOS", "Conductor")]
    sides.append(Takes("Cairn segment of code, PostgreSQL", [], {}, tmp_path / "log", works=frozenset({"produce"})))
    await Plan(found, tmp_path).agents(sides, "think")

    # what is known is not measured again
    assert sorted(tried) == [("Conductor", at) for at in AGENTS[:-1]] + [("DBOS", at) for at in AGENTS[1:]]
    assert found.load["think"]["DBOS"] == {"10": [1.1, 1.2], **{str(at): [at / 10] for at in AGENTS[1:]}}
    assert found.load["think"].keys() == {"DBOS", "Conductor"}
    assert [each["side"] for each in found.failed] == ["Conductor"]


async def test_sides_that_no_aim_compares_are_searched_once(tmp_path: Path) -> None:
    from sides.plan import Found, Plan
    from sides.side import Side

    class Takes(Side):
        async def run(self, job: Any, at_once: int = 1) -> float:
            return 5.0 * max(1.0, 1.5 * at_once / 30)

    sides = [Takes(name, [], {}, tmp_path / "log") for name in ("LangGraph sync", "LangGraph sync, SQLite")]
    for full, rounds in ((False, [3, 1]), (True, [3, 3])):
        found = Found()
        await Plan(found, tmp_path).load(sides, "ask", 3, full=full)
        assert [len(found.largest["ask"][side.name]) for side in sides] == rounds


async def test_fifty_clients_follow_an_execution_each_that_was_just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench" / "sides"))  # as its process has it
    from sides.run_requests import Requests, first_events

    started: list[str] = []
    followed: list[str] = []

    class Counts(Requests):
        def __init__(self) -> None: ...

        async def wait_for_a_person(self) -> Any:
            assert len(followed) in (0, 50)  # the round before is over
            started.append(f"execution {len(started)}")
            return {"id": started[-1]}

        async def first_event(self, id: str) -> None:
            assert len(started) in (50, 100)
            followed.append(id)

    found = await first_events(100, Counts())

    assert followed == started and len(started) == 100
    assert len(found["rounds"]) == 2


async def test_requests_that_are_compared_take_turns_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench" / "sides"))
    from sides import run_requests

    made: list[str] = []

    async def ask(name: str) -> str:
        made.append(name)
        return f"end of {name}"

    monkeypatch.setattr(run_requests, "APART", 0)
    found = await run_requests.one_by_one(9, {"a": lambda: ask("a"), "b": lambda: ask("b")})

    assert made == ["a", "b"] * 9
    assert {name: len(each["rounds"]) for name, each in found.items()} == {"a": 3, "b": 3}

    made.clear()
    await run_requests.one_by_one(6, {"a": lambda: ask("a"), "b": lambda: ask("b")}, ask)
    assert made == ["a", "end of a", "b", "end of b"] * 6


async def test_who_starts_again_and_again_keeps_nothing_of_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench" / "sides"))
    from sides.run_requests import Requests

    class Temporal:
        async def start_workflow(self, *_: Any, **__: Any) -> None: ...

    temporal: Any = Temporal()
    requests = Requests(temporal, temporal, "graph", "waiting")
    assert len({await requests.bare() for _ in range(3)}) == 3
    assert not any(each for each in vars(requests).values() if isinstance(each, list | set | dict))


def test_what_the_page_asks_of_programs_are_names_that_they_are_given() -> None:
    from sides import cpu, names

    given = {name for _, name in cpu._LABELS}
    assert {names.CAIRNS_WORKER, names.HANDS_WORKER, names.CAIRNS_API, names.TEMPORAL, names.CLIENT} <= given
