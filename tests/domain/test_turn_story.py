"""A turn and its sub-agents told together: by readers that come to the events in any order, in pieces of any size."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from persistence.rows import Executions
from sqlalchemy import func, select, update
from sqlmodel import col

from cairn.contracts.nodes import CALL_MODEL, RUN_AGENT
from cairn.domain.chat.asked import Asked, until_asked
from cairn.domain.chat.model import ChatEvent, Turn
from cairn.domain.chat.order import TurnOrder
from cairn.domain.chat.telling import TurnTeller
from cairn.domain.chat.together import TurnStory
from cairn.domain.executions.events import ExecutionEvent
from cairn.domain.executions.turn_events import KEPT, purge_turn_events
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow, TurnEventRow
from cairn.persistence.types import utc_now

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
USAGE = {"requests": 1, "input_tokens": 2, "output_tokens": 3, "cost": None}
TEXTS = {"one": "one says this and more", "two": "two says that"}
LAST = "All is done."
WHY = "this is why"


WRITTEN = ("token", "reasoning")


class Story:
    """What an execution tells, one event after the other."""

    def __init__(self, execution: str) -> None:
        self.execution = execution
        self.events: list[ExecutionEvent] = []
        self._seq = 0
        self.add("status", {"status": "running", "detail": None})

    def add(self, kind: str, data: dict[str, Any], **more: Any) -> None:
        self._seq += 0 if kind in WRITTEN else 8
        told = {"visit": 1, **data}
        self.events.append(ExecutionEvent(self._seq, kind, NOON, self.execution, "run", "agent", told, more))

    def asks(self, call: str, value: Any, text: str = "", activity: str = CALL_MODEL.name) -> None:
        """A model is asked, thinks, and writes its text a word at a time."""
        self.add("node_started", {"call": call}, activity=activity)
        words = [("reasoning", word) for word in WHY.split()] + [("token", word) for word in text.split()]
        for number, (kind, word) in enumerate(words):
            piece = word if number == 0 or words[number - 1][0] != kind else f" {word}"
            self.add(kind, {"call": call, "attempt": 1, "text": piece}, first=number, number=number)
        self.add("node_completed", {"call": call, "attempt": 1, "usage": USAGE}, activity=activity, value=value)

    def called(self, kind: str, index: int, name: str, **more: Any) -> None:
        child = {"execution_id": f"exec_{name}", "agent_id": name}
        data = {"call": f"turn1.{index}", "tool": name, "attempt": 1, "usage": USAGE}
        self.add(kind, data, activity="", subagent=child, call_id=name, **more)

    def ends(self, output: str) -> None:
        self.add("status", {"status": "completed", "detail": None}, usage=USAGE, output={"content": output})


def stories() -> dict[str, Story]:
    root = Story("exec_root")
    root.asks("turn1", {"history": "h", "calls": []})
    for index, name in enumerate(TEXTS):
        root.called("node_started", index, name, arguments={"message": name})
    root.add("requests", {"opened": [], "closed": []})
    root.called("node_completed", 1, "two", value=TEXTS["two"])
    root.called("node_completed", 0, "one", value=TEXTS["one"])
    root.asks("turn2", {"history": "h", "answer": LAST}, LAST)
    root.ends(LAST)
    made = {"exec_root": root}
    for name, text in TEXTS.items():
        child = made[f"exec_{name}"] = Story(f"exec_{name}")
        child.asks("", text, text, RUN_AGENT.name)
        child.ends(text)
    return made


async def follow(
    story: Story, chance: random.Random, apart: tuple[int, int] | None = None
) -> AsyncGenerator[ExecutionEvent]:
    """Tell a story with pauses, its tokens in pieces of any size; ``apart`` ends one."""
    left = list(story.events)
    while left:
        event = left.pop(0)
        while event.type in WRITTEN and left[0].type == event.type and chance.random() < 0.5:
            if apart == (1, event.more["number"]):
                break
            more = left.pop(0)
            data = {**event.data, "text": event.data["text"] + more.data["text"]}
            pieces = {**event.more, "number": more.more["number"]}
            event = ExecutionEvent(event.seq, event.type, NOON, story.execution, "run", "agent", data, pieces)
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01]))
        yield event


async def read(
    database: Database,
    seed: int,
    after: int = -1,
    *,
    verbose: bool = True,
    written: bool = True,
    edit: Callable[[dict[str, Story]], None] = lambda _: None,
    until: Callable[[ChatEvent], bool] = lambda _: False,
) -> list[ChatEvent]:
    """Return what a reader is told until it has enough; ``written``: what models wrote can still be found."""
    chance, told = random.Random(seed), stories()
    edit(told)
    for each in told.values() if not written else ():
        each.events = [event for event in each.events if event.type not in WRITTEN]
    turn = Turn(ExecutionRow(), "exec_root", "boss", "conv_1", "m-1")  # type: ignore[call-arg]
    story = TurnStory(
        turn,
        TurnOrder(database, "acme.exec_root", "exec_root"),
        lambda child: follow(told[child], chance),
        after,
        verbose=verbose,
    )
    found: list[ChatEvent] = []
    async with contextlib.aclosing(story.tell(follow(told["exec_root"], chance, story.teller.apart))) as events:
        async for event in events:
            found.append(event)
            if until(event):
                break
    return found


def brief(found: list[ChatEvent]) -> list[tuple[int, str, str]]:
    """Return events without the pieces that the turn's own model writes, which each reader takes as they come."""
    own = [event for event in found if not (event.type in ("delta", "reasoning") and event.subagent is None)]
    return [(event.seq, event.type, event.call_id) for event in own]


def texts(found: list[ChatEvent], kind: str = "delta") -> dict[str, str]:
    made: dict[str, str] = {}
    for event in found:
        if event.type == kind:
            made[event.call_id] = made.get(event.call_id, "") + str(event.content)
    return made


@pytest.mark.parametrize("seed", range(4))
async def test_all_readers_are_told_the_same_and_go_on_anywhere(database: Database, seed: int) -> None:
    readers = [read(database, 100 * seed + number, verbose=number != 1) for number in range(3)]
    first, plain, *others = await asyncio.gather(*readers)
    for other in [*others, await read(database, seed)]:
        assert brief(other) == brief(first) and texts(other) == texts(first)
        assert texts(other, "reasoning") == texts(first, "reasoning")
    assert [event.seq for event in first] == sorted({event.seq for event in first})
    assert set(texts(first).values()) == {*TEXTS.values(), LAST}
    assert list(texts(first, "reasoning").values()) == [WHY] * 4 and not texts(plain, "reasoning")
    assert texts(plain) == {"exec_root:agent#1:turn2": LAST}
    assert [each for each in brief(first) if each in brief(plain)] == brief(plain)
    assert plain[-1].type == "end" and plain[-1].subagent is None
    for number in range(seed, len(first), 4):
        rest = await read(database, 1000 + number, first[number].seq)
        for kind in ("delta", "reasoning"):
            assert texts(first[: number + 1] + rest, kind) == texts(first, kind), number
        assert brief(rest) == brief(first[number + 1 :]), number


@pytest.mark.parametrize("kind", ["reasoning", "delta"])
async def test_a_text_is_whole_when_its_reasoning_is_found_no_more(database: Database, kind: str) -> None:
    before = await read(database, 1, until=lambda event: event.subagent is not None and event.type == kind)
    assert kind in {event.type for event in before if event.subagent is not None}
    found = await read(database, 2, written=False)
    assert set(texts(found).values()) == {*TEXTS.values(), LAST}


async def test_sub_agents_are_told_within_their_calls(database: Database) -> None:
    found = await read(database, 7)
    for name, text in TEXTS.items():
        (start,) = [event for event in found if event.type == "tool_start" and event.call_id.endswith(_index(name))]
        assert isinstance(start.content, dict) and start.content["execution_id"] == f"exec_{name}"
        mine = [event for event in found if event.parent_call_id == start.call_id]
        assert [event.type for event in mine] == ["start", "usage", "end"], "what it writes is of its request"
        (end,) = [event for event in found if event.type == "tool_end" and event.call_id == start.call_id]
        assert start.seq < mine[0].seq < mine[-1].seq < end.seq and mine[-1].content == {
            "content": text,
            "finish_reason": "stop",
        }
    assert {event.root_call_id for event in found} == {"exec_root"}


def _index(name: str) -> str:
    return f"turn1.{list(TEXTS).index(name)}"


async def test_the_order_is_kept_for_a_day_after_the_end(database: Database) -> None:
    before = await read(database, 1)
    execution = await (await Executions.of(database)).add("exec_root", status="completed")
    assert execution.temporal_id == "acme.exec_root"

    async def left(since: timedelta) -> int:
        async with database.transaction() as session:
            await session.execute(update(ExecutionRow).values(closed_at=utc_now() - since))
            await purge_turn_events(session)
            return (await session.execute(select(func.count(col(TurnEventRow.number))))).scalar_one()

    assert await left(KEPT - timedelta(hours=1)) > 0
    assert brief(await read(database, 2)) == brief(before)
    assert await left(KEPT + timedelta(hours=1)) == 0
    assert texts(await read(database, 3)) == texts(before)


def test_who_was_cut_off_between_a_restart_and_its_text_is_told_all_of_that() -> None:
    def told(after: int, *pieces: tuple[int, int, str]) -> list[ChatEvent]:
        """Tell a first reply, and pieces (the first that each is joined of, the last, its text) of one in its place."""
        teller = TurnTeller(Turn(ExecutionRow(), "exec_root", "boss", "conv_1", "m-1"), after)  # type: ignore[call-arg]
        story = Story("exec_root")
        story.add("node_started", {"call": "turn1"}, activity=CALL_MODEL.name)
        for first, last, text in [(0, 0, "void"), *pieces]:
            begun = {"restart": True} if first < 2 else {}
            story.add("token", {"call": "turn1", "attempt": 1, "text": text, **begun}, first=first, number=last)
        return [event for each in story.events for event in teller.tell(each)]

    whole = told(-1, (1, 3, "one two three"))
    (cut,) = [place for place, event in enumerate(whole) if event.type == "restart"]
    rest = told(whole[cut].seq, (1, 1, "one"), (2, 3, " two three"))
    assert [event.content for event in rest] == ["one", " two three"], "it comes in other pieces"
    assert whole[cut].seq in {event.seq for event in told(-1, (1, 1, "one"))}, "an event has one number"


@pytest.mark.parametrize("found", range(4))
def test_a_text_is_told_before_what_happens_to_its_turn_meanwhile(found: int) -> None:
    story, pieces = Story("exec_root"), 3
    story.asks("turn1", {"history": "h", "answer": LAST}, LAST)
    began, *writing, ended = [event for event in story.events if event.type != "reasoning"][1:]
    paused, resumed = (status(began.seq + part, what, works=True) for part, what in ((1, "paused"), (2, "running")))
    # The history is read when so many pieces are there; a token has the number of the event before it.
    behind = [replace(event, seq=resumed.seq) for event in writing[found:]]
    events = [began, *writing[:found], paused, resumed, *behind, ended]

    def told(after: int) -> list[ChatEvent]:
        teller = TurnTeller(Turn(ExecutionRow(), "exec_root", "boss", "conv_1", "m-1"), after)  # type: ignore[call-arg]
        return [event for each in [story.events[0], *events] for event in teller.tell(each)]

    whole = told(-1)
    kinds = ["start", "start", *["delta"] * pieces, "status", "status", "usage"]
    assert len(writing) == pieces and [event.type for event in whole] == kinds
    assert [event.seq for event in whole] == sorted({event.seq for event in whole})
    for event in whole:
        assert told(event.seq) == [each for each in whole if each.seq > event.seq]
    events[events.index(paused) :] = [status(paused.seq, "paused", works=False)]
    assert [event.type for event in told(-1)] == [*kinds[: 2 + found], "status"], "nothing is written any more"


LINE = 2**32


def line_of(name: str, begin: int, revision: int = 0) -> list[ExecutionEvent]:
    """A turn that calls one sub-agent, on a line."""
    child = {"execution_id": f"exec_{name}", "agent_id": name}
    data = {"visit": 1, "call": "turn1.0", "tool": name, "attempt": 1, "usage": None}
    more: dict[str, dict[str, Any]] = {"node_started": {"arguments": {}}, "node_completed": {"value": name}}
    return [
        ExecutionEvent(
            revision * LINE + begin + 8 * number,
            kind,
            NOON,
            "exec_root",
            "run",
            "agent",
            data,
            {"activity": "", "subagent": child, "call_id": "c", **each},
        )
        for number, (kind, each) in enumerate(more.items(), 1)
    ]


def status(seq: int, what: str, **more: Any) -> ExecutionEvent:
    return ExecutionEvent(seq, "status", NOON, "exec_root", "run", "agent", {"status": what, "detail": None}, more)


@pytest.mark.parametrize("left", ["paused", "cancelled"])
async def test_whoever_comes_after_a_reset_is_told_its_line_alone(database: Database, left: str) -> None:
    begins = [status(0, "running")]
    ends = [status(LINE + 100, "completed", usage=USAGE, output={"content": "x"})]
    old = line_of("one", 0)
    # The turn ends, or is paused, before or after its sub-agent has.
    before = begins + (old[:1] if left == "cancelled" else old) + [status(30, left, usage=USAGE)]
    reset = [ExecutionEvent(LINE + 40, "reset", NOON, "exec_root", "run", None, {}, {"awaited": [], "stands": 0})]
    turn = Turn(ExecutionRow(), "exec_root", "boss", "conv_1", "m-1")  # type: ignore[call-arg]

    async def tell(events: list[ExecutionEvent]) -> AsyncGenerator[ExecutionEvent]:
        for event in events:
            await asyncio.sleep(0)
            yield event

    async def told(events: list[ExecutionEvent]) -> list[ChatEvent]:
        made = stories()
        order = TurnOrder(database, "acme.exec_root", "exec_root")
        story = TurnStory(turn, order, lambda child: tell(made[child].events), verbose=True)
        return [event async for event in story.tell(tell(events))]

    await told(before)
    found = await told(begins + reset + line_of("two", 48, 1) + ends)
    numbers = [event.seq for event in found]
    assert numbers == sorted(numbers)
    assert {event.subagent for event in found} == {None, "exec_two"}
    assert [event.type for event in found if event.subagent is None and event.type in ("end", "error")] == ["end"]


async def test_the_reset_of_a_sub_agent_is_told_in_the_one_order(database: Database) -> None:
    """It voids what the sub-agent has told since the place that the reset goes back to, and nothing else."""

    def told(seed: int, after: int = -1, **more: Any) -> Any:
        return read(database, seed, after, edit=reset_one, **more)

    first, other = await asyncio.gather(told(1), told(2))
    assert brief(first) == brief(other)
    assert [event.seq for event in first] == sorted({event.seq for event in first})
    (restart,) = [event for event in first if event.type == "restart"]
    (call,) = [event.call_id for event in first if event.type == "tool_start" and event.call_id.endswith(_index("one"))]
    assert (restart.subagent, restart.parent_call_id, restart.root_call_id) == ("exec_one", call, "exec_root")
    assert restart.content == {"reset": True, "void": ["exec_one:agent#1:late"]}
    assert [event.type for event in await told(3, verbose=False) if event.subagent == "exec_one"].count("restart") == 1
    place = first.index(restart)
    assert brief(await told(4, restart.seq)) == brief(first[place + 1 :])


def reset_one(told: dict[str, Story]) -> None:
    """Have a sub-agent be asked once more, and be reset to the time before that."""
    story = told["exec_one"]
    ended, stands = story.events.pop(), story.events[-1].seq
    story.asks("late", "void", "void", RUN_AGENT.name)
    story.events.append(ExecutionEvent(LINE + 40, "reset", NOON, "exec_one", "run", None, {}, {"stands": stands}))
    story.events.append(replace(ended, seq=LINE + 48))


async def test_the_reset_of_a_sub_agent_leaves_those_beside_it(database: Database) -> None:
    told = await read(database, 1, edit=reset_one_early)
    place = [event.type for event in told if event.subagent == "exec_one"].index("restart")
    assert place == 1  # the other one is at work then
    assert [event.type for event in told if event.subagent == "exec_two"][-1] == "end"


def reset_one_early(told: dict[str, Story]) -> None:
    """Have a sub-agent be reset when it has begun, and end."""
    story = told["exec_one"]
    begun, ended = story.events[0], story.events[-1]
    reset = ExecutionEvent(LINE + 40, "reset", NOON, "exec_one", "run", None, {}, {"stands": begun.seq})
    story.events = [begun, reset, replace(ended, seq=LINE + 48)]


async def test_people_are_waited_for_after_a_reset_as_far_as_they_are_not_asked_anew() -> None:
    def event(kind: Any, call: str, seq: int, content: Any, subagent: str | None = None) -> ChatEvent:
        return ChatEvent(kind, call, None, "exec_root", content, NOON, seq, {}, subagent)

    async def told(*restarts: ChatEvent) -> list[list[str]]:
        asks = [(1, None), (2, "exec_one"), (3, "exec_two"), (4, "exec_two")]
        events = [
            event("question_asked", f"qst_{seq}", seq, {"question_id": f"qst_{seq}"}, child) for seq, child in asks
        ]

        async def stream() -> AsyncGenerator[ChatEvent]:
            for each in (*events, *restarts):
                yield each
            await asyncio.Event().wait()

        found = [each async for each in until_asked(stream()) if isinstance(each, Asked)]
        return [[request["question_id"] for request in each.requests] for each in found]

    of_turn = event("restart", "exec_root", 9, {"reset": True, "void_after": 3})
    of_one = event("restart", "exec_one", 9, {"reset": True, "void": ["qst_4"]}, "exec_one")
    assert await told(of_turn) == [["qst_2", "qst_3"]]
    assert await told(of_one) == [["qst_1", "qst_3"]]
