"""``bench/tuning.py``: the sides take turns, ratios are of neighbours, and each knob turns what its name says."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.converter import PayloadConverter
from temporalio.worker import Worker

from cairn.contracts.nodes import NodeCall
from cairn.persistence import session
from cairn.temporal import connection
from cairn.temporal.connection import data_converter

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


class Plays:
    """Plays a pair that does so much a second."""

    def __init__(self, name: str, speeds: list[float], told: list[str]) -> None:
        self.name, self.speeds, self.told = name, iter(speeds), told

    async def measure(self, load: Any) -> tuple[float, float]:
        self.told.append(f"{self.name} {load.of}")
        speed = next(self.speeds)
        return speed, 1 / speed


async def test_default_and_knob_take_turns_and_are_compared_with_their_neighbour() -> None:
    from tuning import DEFAULT, Turns

    told: list[str] = []
    pairs: dict[str, Any] = {
        DEFAULT: Plays("default", [1, 10, 100, 20, 100], told),
        "knob": Plays("knob", [1, 11, 100, 18, 150], told),
    }
    turns = Turns()
    await turns.measure(pairs, 2)

    assert told[:2] == ["default steps", "knob steps"]  # warm
    assert told[2:6] == ["default steps", "knob steps", "default executions", "knob executions"]
    assert told[6:] == ["knob steps", "default steps", "knob executions", "default executions"]
    ratios = turns.ratios()
    assert ratios["steps/s"] == pytest.approx([1.1, 0.9])
    assert ratios["executions/s"] == pytest.approx([1.0, 1.5])
    assert ratios["CPU of executions"] == pytest.approx([1.0, 1 / 1.5])


def test_the_middle_the_smallest_and_the_largest_are_shown() -> None:
    import tuning

    speed = [(10.0, 10.0 * ratio) for ratio in (1.2, 0.9, 1.0, 1.1, 1.3)]
    turns = tuning.Turns(*(dict.fromkeys(tuning.LOADS, speed) for _ in range(2)))
    assert tuning.rows({"a knob": turns}).splitlines()[-1] == f"| a knob |{' 1.10 (0.90 to 1.30) |' * 4}"


async def test_a_load_is_counted_by_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from tuning import LOADS, Pair

    class Side:
        async def run(self, job: Any, at_once: int) -> float:
            cpu.user += 0.8
            return job.steps * at_once / 100

    cpu = SimpleNamespace(user=1.0)

    class Process:
        def cpu_times(self) -> tuple[float, float, float]:
            return (cpu.user, 0.5, 99.0)  # the last is that of children

    pair: Any = Pair(Side(), [Process()])  # pyright: ignore[reportArgumentType]
    many_steps, many_executions = LOADS
    assert await pair.measure(many_steps) == pytest.approx((100, 2.0))
    assert await pair.measure(many_executions) == pytest.approx((100, 32.0))  # four times over


async def test_a_round_that_was_not_done_is_begun_once_more_and_not_for_ever() -> None:
    from sides.side import Failed
    from tuning import LOADS, TRIES, WARM, Turns

    class Fails(Plays):
        async def measure(self, load: Any) -> tuple[float, float]:
            if load != WARM and next(fails):
                raise Failed("the machine is busy")
            return await super().measure(load)

    told: list[str] = []
    pairs: dict[str, Any] = {"a": Plays("a", [1.0] * 9, told), "b": Fails("b", [2.0] * 9, told)}
    fails = iter([True, False, False])
    turns = Turns()
    await turns.measure(pairs, 1)
    assert turns.speed == {load: [(1.0, 2.0)] for load in LOADS}  # the neighbour of what failed does not count

    fails = iter([True] * TRIES)
    with pytest.raises(Failed):
        await Turns().measure(pairs, 1)


def knobs_of(target: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Turn each knob by itself; return by name with what it has the worker or the engine made."""
    from knobs import KNOBS

    import worker

    owner, name = {"worker": (worker, "Worker"), "engine": (session, "create_async_engine")}[target]
    found: dict[str, dict[str, Any]] = {}
    for knob in KNOBS:
        made: dict[str, Any] = {}
        original: Callable[..., None] = lambda *_, made=made, **options: made.update(options)  # noqa: E731
        with monkeypatch.context() as patched:
            _restored(patched)
            patched.setattr(owner, name, original)
            KNOBS[knob]()
            changed = getattr(owner, name)
            if changed is not original:
                changed("client", max_concurrent_activities=100, max_concurrent_workflow_tasks=100, pool_size=30)
                found[knob] = made
    return found


def _restored(patched: pytest.MonkeyPatch) -> None:
    """Have everything put back that a knob changes in this process."""
    import gc
    import sys

    import uvicorn
    import uvloop

    import worker

    for owner, name in (
        (worker, "Worker"),
        (session, "create_async_engine"),
        (connection, "PayloadConverter"),
        (uvloop, "run"),
        (uvicorn, "Config"),
    ):
        patched.setattr(owner, name, getattr(owner, name))
    for owner, names in ((gc, ("freeze", "set_threshold")), (sys, ("setswitchinterval",))):
        for each in names:
            patched.setattr(owner, each, lambda *_: None)


def test_what_knobs_tell_the_worker_is_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = knobs_of("worker", monkeypatch)

    taken = inspect.signature(Worker).parameters
    assert all(set(options) - {"pool_size"} <= set(taken) for options in found.values())
    assert found["eager activities off"]["disable_eager_activity_execution"] is True
    assert found["eager activities off"]["max_concurrent_activities"] == 100  # all else stays
    assert found["one poller of each kind"]["max_concurrent_activity_task_polls"] == 1
    assert found["slots by the resource-based tuner"]["max_concurrent_activities"] is None
    assert "one connection" not in found


def test_what_knobs_tell_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = knobs_of("engine", monkeypatch)

    assert set(found) == {"database's JSON by orjson", "connections in turn, not the last used", "one connection"}
    assert found["one connection"]["pool_size"] == 1
    assert found["connections in turn, not the last used"]["pool_size"] == 30
    assert found["database's JSON by orjson"]["json_serializer"]({"a": [1, "é"]}) == '{"a":[1,"é"]}'


@pytest.mark.parametrize("by", ["the SDK's own converter", "the standard library's JSON", "orjson"])
def test_payloads_are_the_same_by_each_converter(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from knobs import KNOBS

    call = NodeCall(
        **dict.fromkeys(("execution_id", "temporal_id", "tenant", "run_id", "lineage", "node_id"), "é"),
        visit=1,
        data={"text": "é", "number": 1.5, "none": None},
        timeout=3.0,
    )
    before = connection.PayloadConverter()
    monkeypatch.setattr(connection, "PayloadConverter", connection.PayloadConverter)
    KNOBS[f"payloads by {by}"]()
    after: PayloadConverter = connection.PayloadConverter()

    assert type(after) is not type(before)
    assert after.from_payload(before.to_payload(call), NodeCall) == call
    assert before.from_payload(after.to_payload(call), NodeCall) == call
    assert after.from_payload(after.to_payload(None)) is None


def test_a_converter_that_is_turned_is_what_clients_get(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from knobs import KNOBS

    from cairn.settings import Settings

    monkeypatch.setattr(connection, "PayloadConverter", connection.PayloadConverter)
    KNOBS["payloads by orjson"]()
    converter = data_converter(Settings(home=tmp_path))
    assert converter.payload_converter_class is connection.PayloadConverter


def test_operations_say_of_each_knob_what_is_done() -> None:
    from knobs import KNOBS

    told = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in KNOBS if f"*{name}*" not in told] == []


def test_the_page_says_where_its_figures_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    import tuning

    monkeypatch.setattr("sys.argv", ["tuning.py", "--knobs", "one connection", "--beside"])
    turns = tuning.Turns({each: [(10.0, 11.0)] for each in tuning.LOADS}, {each: [(4.0, 2.0)] for each in tuning.LOADS})
    given = Namespace(rounds=1, temporal="postgresql", beside=True)
    page = tuning.page({"one connection": turns}, given, 1.25)

    assert "`make bench WHAT=tuning ARGS=\"--knobs 'one connection' --beside\"`" in page
    assert "load before it began 1.2, beside other work" in page
    assert "PostgreSQL, 1 round." in page
    assert "4 times 25 executions at once of 1 step: 10 executions/s by default" in page
    assert "| one connection | 1.10 | 1.10 | 0.50 | 0.50 |" in page  # one round has no smallest and largest
