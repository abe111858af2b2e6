"""The checker finds each fault that is planted in a story without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.checker import FEW, check
from chaos.ledger import Entry
from chaos.records import SAID, Asked, Delivery, Found, Request, Run, Shown, Story, Talk, Undone

A0, A1, B1, B2 = "e0/a/1/r0", "e1/a/1/r1", "e1/b/1/r1", "e1/b/1/r2"
ALL = frozenset({A1, B1, B2})
PAUSED = Shown("paused", 1, "paused by request")


def entry(
    what: str, name: str, key: str, attempt: int = 1, execution_id: str = "e1", command: str | None = None
) -> Entry:
    return Entry(what, name, key, execution_id, attempt, command or f"command of {key}", 0.0)


def story() -> Story:
    """One execution that completed, was rolled back to ``a`` and resumed; b was tried twice the second time.

    Another one was just completed, after it took an event that it was told of twice, and two people were told in
    turn that they had to agree, one of them twice.
    """
    plain = Shown("completed", 2, None, {"a": A0, "go": "v1", "more": "v2"}, None, "r0", ("c4",))
    one = Run("r0", None, None, frozenset({A0}), frozenset({A0}), heard=frozenset({"v1", "v2"}))
    done = Shown("completed", 0, None, {"a": A1, "b": B1}, None, "r1", ("c0", "c1", "c2"))
    back = Shown("paused", 1, "reset to a checkpoint", None, None, "r2", ("c0", "c1"))
    again = Shown("completed", 2, None, {"a": A1, "b": B2}, None, "r2", ("c0", "c1", "c3"))
    return Story(
        asked=[
            Asked("start", "t1", "e1", 2, 201, after=Shown("running", 0)),
            Asked("rollback", "t1", "e1", 3, 200, before=done, after=back, kept=("c0", "c1")),
            Asked("resume", "t1", "e1", 1, 200, before=back, after=replace(again, status="running")),
            Asked("start", "t2", None, 1, 409, "graph_not_published"),
            Asked("start", "t0", "e0", 1, 201),
            *(Asked("event", "t0", "e0", 1, 202, event=event) for event in ("v1", "v1", "v2")),
            Asked("event", "t0", "e0", 1, 409, "execution_closed", event="v3"),
        ],
        found=[
            Found(
                "e1",
                "t1",
                listed=replace(again, checkpoints=None),
                got=again,
                temporal=Shown("completed", 2, run_id="r2"),
                runs=(
                    Run("r1", None, None, frozenset({A1, B1}), frozenset({A1, B1})),
                    Run("r2", "op1", "r1", frozenset({A1, B2}), frozenset({A1, B2})),
                ),
                rollbacks={"op1": (Undone("e1", "b", 1, "done"),)},
                known=frozenset({"a", A1, "b", B2}),
            ),
            Found("e0", "t0", plain, plain, plain, (one,)),
        ],
        ledger=[
            *(entry(what, "a", A0, execution_id="e0") for what in ("call", "effect")),
            *(entry(what, name, key) for name, key in (("a", A1), ("b", B1)) for what in ("call", "effect")),
            entry("undo", B1, f"{B1}/undo"),
            entry("repeat", B1, f"{B1}/undo", attempt=2),
            entry("call", "b", B2),
            entry("effect", "b", B2),
            entry("call", "b", B2, attempt=2),
            entry("repeat", "b", B2, attempt=2),
        ],
        requests=[Request("q1", "e0", "approved", True), Request("q2", "e0", "approved", True)],
        deliveries=[
            Delivery("q1", "e0", 1, False, 1.0),
            Delivery("q1", "e0", 1, True, 2.0),
            Delivery("q1", "e0", 1, True, 3.0),
            Delivery("q2", "e0", 2, True, 4.0),
        ],
        memory={"api-1": (100 << 20, 150 << 20)},
        talks=[
            Talk(
                "c1",
                [Asked("say", "m1", status=200), Asked("say", "m2", status=502), Asked("say", "m3", status=200)],
                [("user", "m1"), ("assistant", SAID), ("user", "m2"), ("user", "m3"), ("assistant", SAID)],
            )
        ],
    )


def test_a_story_without_a_fault_has_no_violation() -> None:
    assert check(story()) == []


def test_children_and_forks_are_executions_of_their_own() -> None:
    told = story()
    child = Shown("completed", 0, None, {"c": "e2/c/1/r3"}, None, "r3")
    fork = Shown("completed", 1, None, {"a": A1}, None, "r4")
    told.asked.append(Asked("fork", "t1-fork", "e3", 1, 201))
    before, after = replace(fork, status="running", revision=0), fork
    told.asked.append(Asked("answer", "t1-fork", "e3", 1, 200, before=before, after=after))
    made = Run("r3", None, None, frozenset({"e2/c/1/r3"}), frozenset({"e2/c/1/r3"}))
    told.found.append(Found("e2", "t1", child, child, child, (made,), parent="e1"))
    told.found.append(Found("e3", "t1-fork", fork, fork, fork, (Run("r4"), Run("r5")), source="e1"))
    told.ledger.append(entry("effect", "c", "e2/c/1/r3", execution_id="e2"))
    assert check(told) == []
    told.found[-1] = replace(told.found[-1], source=None)
    assert {violation.rule for violation in check(told)} == {"results_are_effects", "nothing_discarded_is_visible"}


def replayed(told: Story) -> tuple[str, str]:
    """Have an execution of branches replayed; return the keys of what the first line did in a branch, and after all."""
    kept, z = "e4/left/1/r6", "e4/z/1/r6"
    right, new = "e4/right/1/r7", "e4/z/1/r7"
    first = Run("r6", None, None, frozenset({kept, z}), frozenset({kept, z}))
    second = Run("r7", "op2", "r6", frozenset({right, new}), frozenset({right, new}))
    ended = Shown("completed", 1, None, {"left": kept, "right": right, "z": new}, None, "r7", ("c0",))
    told.found.append(Found("e4", "t4", ended, ended, ended, (first, second)))
    told.asked.append(Asked("start", "t4", "e4", 1, 201))
    names = (("left", kept), ("z", z), ("right", right), ("z", new))
    told.ledger.extend(entry(what, *each, execution_id="e4") for each in names for what in ("call", "effect"))
    return kept, z


def rules(told: Story) -> set[str]:
    return {violation.rule for violation in check(told)}


def test_a_replay_keeps_what_was_done_in_another_branch_and_a_rollback_does_not() -> None:
    told = story()
    kept, z = replayed(told)
    assert "nothing_discarded_is_visible" not in rules(told)
    line = told.found[-1]
    told.found[-1] = replace(line, rollbacks={"op2": ()})
    assert "nothing_discarded_is_visible" in rules(told)
    shown = replace(line.got, output={"left": kept, "z": z})
    told.found[-1] = replace(line, listed=shown, got=shown, temporal=shown)
    assert "nothing_discarded_is_visible" in rules(told)  # it was not in a branch


def test_a_request_that_was_answered_before_its_receiver_said_thanks_was_told() -> None:
    told = story()
    told.deliveries[:3] = told.deliveries[:1]
    assert "told_in_order" not in rules(told)


def test_what_a_turn_had_said_before_it_failed_is_no_answer() -> None:
    told = story()
    told.talks[0].shown.insert(3, ("assistant", None))
    assert check(told) == []


def found(told: Story, **changes) -> None:
    told.found[0] = replace(told.found[0], **changes)


def got(told: Story, **changes) -> None:
    """Change how the execution was found, wherever it was looked at."""
    one = told.found[0]
    shared = {name: value for name, value in changes.items() if name in ("status", "revision", "run_id")}
    found(
        told,
        got=replace(one.got, **changes),
        listed=replace(one.listed, **changes),
        temporal=replace(one.temporal, **shared),
    )


def asked(told: Story, number: int, **changes) -> None:
    told.asked[number] = replace(told.asked[number], **changes)


def after(told: Story, number: int, **changes) -> None:
    """Change what the client saw after one command and so before the next."""
    shown = replace(told.asked[number].after, **changes)
    asked(told, number, after=shown)
    if number == 1:
        asked(told, 2, before=shown)


def runs(told: Story, *made: Run) -> None:
    found(told, runs=(*told.found[0].runs, *made))


def keep(told: Story, which: Callable[[Entry], bool]) -> None:
    told.ledger[:] = [each for each in told.ledger if which(each)]


def discard_child(told: Story) -> None:
    """Let the discarded line have had a child that did something."""
    first, second = told.found[0].runs
    found(told, runs=(replace(first, children=frozenset({"e2"})), second))
    child = Shown("cancelled", 0, None, None, None, "r3")
    key = frozenset({"e2/c/1/r3"})
    told.found.append(Found("e2", "t1", child, child, child, (Run("r3", None, None, key, key),), parent="e1"))
    told.ledger.append(entry("effect", "c", "e2/c/1/r3", execution_id="e2"))


def change_key(told: Story) -> None:
    """Let the second try of b have another key, which history knows, so that the service has the effect twice."""
    first, second = told.found[0].runs
    other = "e1/b/1/r3"
    found(told, runs=(first, replace(second, scheduled=second.scheduled | {other})))
    again = [entry(what, "b", other, 2, command=f"command of {B2}") for what in ("call", "effect")]
    told.ledger[-2:] = again


def nothing_completed(told: Story) -> None:
    """Let both executions have been cancelled."""
    for number, each in enumerate(told.found):
        one, two, three = (replace(s, status="cancelled") for s in (each.got, each.listed, each.temporal))
        told.found[number] = replace(each, got=one, listed=two, temporal=three)


def nothing_done(told: Story) -> None:
    """Let one execution have been completed that does nothing, and nothing else have been asked for."""
    shown = Shown("completed", 0, None, {}, None, "r0", ("c4",))
    told.asked[:] = [Asked("start", "t0", "e0", 1, 201)]
    told.found[:] = [Found("e0", "t0", shown, shown, shown, (Run("r0"),))]
    told.ledger.clear()


def takes(told: Story, first: str, second: str) -> None:
    """Let the other execution have taken these events."""
    shown = replace(told.found[1].got, output={"a": A0, "go": first, "more": second})
    told.found[1] = replace(told.found[1], got=shown, listed=shown, temporal=shown)


def hears(told: Story, *events: str) -> None:
    """Let the history of the other execution have these events."""
    (run,) = told.found[1].runs
    told.found[1] = replace(told.found[1], runs=(replace(run, heard=frozenset(events)),))


PLANTED: dict[str, tuple[str, Callable[[Story], object]]] = {
    "a request without an answer": ("answered", lambda s: asked(s, 3, status=None)),
    "an internal error on the way": ("answered", lambda s: s.asked[1].faults.append("500")),
    "an accepted execution that is lost": (
        "started_once",
        lambda s: (s.found.pop(0), keep(s, lambda e: e.execution_id == "e0")),
    ),
    "two executions of one start": (
        "started_once",
        lambda s: s.found.append(Found("e2", "t1", PAUSED, PAUSED, PAUSED, (Run("r9"),))),
    ),
    "an execution that nobody asked for": ("started_once", lambda s: s.asked.pop(0)),
    "another execution than the accepted one": ("started_once", lambda s: asked(s, 0, execution_id="e9")),
    "an execution that hangs": ("at_rest", lambda s: got(s, status="running", output=None)),
    "a pause without a reason": ("at_rest", lambda s: got(s, status="paused", detail=None, output=None)),
    "a failure that was not planned": ("at_rest", lambda s: got(s, status="failed", error="timeout", output=None)),
    "a reset that never ends": ("at_rest", lambda s: s.stuck.append("reset/e1")),
    "a command that took effect twice": ("commands_once", lambda s: (after(s, 2, revision=3), got(s, revision=3))),
    "a command that took no effect": ("commands_once", lambda s: (after(s, 2, revision=1), got(s, revision=1))),
    "a refused command that took effect": ("commands_once", lambda s: asked(s, 2, status=409)),
    "a command that took effect again later": ("commands_once", lambda s: got(s, revision=3)),
    "a change between two commands": (
        "commands_once",
        lambda s: (after(s, 1, revision=0), asked(s, 1, before=replace(s.asked[1].before, revision=-1))),
    ),
    "an acknowledged event that is lost": ("events_once", lambda s: hears(s, "v1")),
    "an event that was taken twice": ("events_once", lambda s: takes(s, "v1", "v1")),
    "an event that was refused and taken": ("events_once", lambda s: takes(s, "v1", "v3")),
    "an event of nobody": ("events_once", lambda s: takes(s, "v1", "v9")),
    "a reset made twice under one name": ("resets_once", lambda s: runs(s, Run("r3", "op1", "r2"))),
    "a reset that nobody asked for": ("resets_once", lambda s: runs(s, Run("r3", "op2", "r2"))),
    "an acknowledged reset that was not made": (
        "resets_once",
        lambda s: (found(s, runs=(Run("r2", None, None, ALL, ALL),)), keep(s, lambda e: e.what != "undo")),
    ),
    "a checkpoint that changed its id": (
        "resets_keep_what_came_before",
        lambda s: after(s, 1, checkpoints=("c0", "c9")),
    ),
    "a rollback that left too much": (
        "resets_keep_what_came_before",
        lambda s: after(s, 1, checkpoints=("c0", "c1", "c2")),
    ),
    "a call that was dispatched twice": ("effects_once", lambda s: s.ledger.append(entry("call", "b", B2, attempt=2))),
    "an effect that one try had twice": (
        "effects_once",
        lambda s: s.ledger.append(entry("repeat", "b", B2, attempt=2)),
    ),
    "an effect that a repeat had again": (
        "effects_once",
        lambda s: s.ledger.__setitem__(-1, entry("effect", "b", B2, attempt=2)),
    ),
    "a key that changes between two tries": ("effects_once", lambda s: change_key(s)),
    "one key for two effects": ("effects_once", lambda s: s.ledger.append(entry("repeat", "c", B2, attempt=3))),
    "an effect of no history": ("effects_once", lambda s: s.ledger.append(entry("effect", "z", "e1/z/1/r1"))),
    "a result without its effect": ("results_are_effects", lambda s: s.ledger.remove(entry("effect", "b", B1))),
    "an output of something else": ("results_are_effects", lambda s: got(s, output={"a": A1, "b": A1})),
    "an output of a discarded line": (
        "nothing_discarded_is_visible",
        lambda s: got(s, output={"a": A1, "b": B1}),
    ),
    "a checkpoint with a result of a discarded line": (
        "nothing_discarded_is_visible",
        lambda s: found(s, known=frozenset({A1, B1})),
    ),
    "an effect that was undone twice": ("undone_once", lambda s: s.ledger.append(entry("undo", B1, f"{B1}/again"))),
    "an effect that was undone and stays": ("undone_once", lambda s: s.ledger.append(entry("undo", A1, f"{A1}/undo"))),
    "an effect that was not undone": ("undone_once", lambda s: keep(s, lambda e: e.what != "undo")),
    "an effect of a child that was not undone": ("undone_once", lambda s: discard_child(s)),
    "a list that lags": ("everyone_agrees", lambda s: found(s, listed=replace(s.found[0].listed, status="running"))),
    "a list with an old output": (
        "everyone_agrees",
        lambda s: found(s, listed=replace(s.found[0].listed, output={"a": A1, "b": B1})),
    ),
    "another run in Temporal": ("everyone_agrees", lambda s: found(s, temporal=Shown("completed", 2, run_id="r1"))),
    "a history that does not replay": (
        "histories_replay",
        lambda s: s.unreplayable.append(("e1 r2", "nondeterminism")),
    ),
    "a notification that was lost": ("told_at_least_once", lambda s: s.deliveries.pop()),
    "a notification that is not sent": (
        "told_at_least_once",
        lambda s: s.requests.append(Request("q3", "e9", "pending", False)),
    ),
    "a request of an execution that has ended": (
        "nobody_asked_in_vain",
        lambda s: s.requests.__setitem__(1, Request("q2", "e0", "pending", True)),
    ),
    "notifications out of order": ("told_in_order", lambda s: s.deliveries.reverse()),
    "a message that is lost": ("said_once", lambda s: s.talks[0].shown.__delitem__(slice(3, 5))),
    "a message that stands there twice": ("said_once", lambda s: s.talks[0].shown.insert(2, ("user", "m1"))),
    "a message that nobody said": ("said_once", lambda s: s.talks[0].shown.append(("user", "m4"))),
    "an answer that is not there": ("said_once", lambda s: s.talks[0].shown.pop()),
    "an answer that stands there twice": ("said_once", lambda s: s.talks[0].shown.insert(2, ("assistant", SAID))),
    "an answer of a turn that failed": ("said_once", lambda s: s.talks[0].shown.insert(3, ("assistant", SAID))),
    "an answer that is half": ("said_once", lambda s: s.talks[0].shown.__setitem__(1, ("assistant", SAID[:5]))),
    "an answer that was cut short": ("said_once", lambda s: s.talks[0].shown.__setitem__(1, ("assistant", None))),
    "messages out of order": ("said_once", lambda s: s.talks[0].shown.reverse()),
    "memory that is not given back": ("memory_returns", lambda s: s.memory.update({"worker-1": (1 << 27, 1 << 29)})),
    "a run in which no conversation was begun": (
        "it_worked",
        lambda s: s.asked.append(Asked("talk", "c2", status=422)),
    ),
    "a run in which no message was answered": (
        "it_worked",
        lambda s: s.talks.__setitem__(
            0,
            Talk(
                "c1",
                [Asked("say", f"m{n}", status=502) for n in range(FEW)],
                [("user", f"m{n}") for n in range(FEW)],
            ),
        ),
    ),
    "a run in which nothing was completed": ("it_worked", lambda s: nothing_completed(s)),
    "a run in which nothing had an effect": ("it_worked", lambda s: nothing_done(s)),
    "a run in which nothing was accepted": (
        "it_worked",
        lambda s: (s.asked.__setitem__(slice(None), s.asked[3:4]), s.found.pop(0), s.found.pop(), s.ledger.clear()),
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    rule, plant = PLANTED[name]
    told = story()
    plant(told)
    assert {violation.rule for violation in check(told)} == {rule}
