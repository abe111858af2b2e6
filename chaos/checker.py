"""Says what is wrong with a story. Pure: knows nothing of how Cairn works, only of what it promises."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chaos.effects import effects_once, nothing_discarded_is_visible, results_are_effects, undone_once
from chaos.ledger import effects
from chaos.records import ENDS, RESETS, SAID, STARTS, Asked, Shown, Story, Talk

MEMORY_GROWTH = 1.5
"""A program keeps executions in its cache, and has loaded all it needs only when it has done some work."""

MEMORY_LEEWAY = 64 << 20
"""Bytes."""

FEW = 5
"""Messages: so many turns do not fail of a model that errs now and then."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken.

    Attributes:
        rule: which.
        where: execution or request.
        text: what was seen.
    """

    rule: str
    where: str
    text: str


Rule = Callable[[Story], Iterator[tuple[str, str]]]


def check(story: Story) -> list[Violation]:
    """Return all violations."""
    return [Violation(rule.__name__, where, text) for rule in RULES for where, text in rule(story)]


def answered(story: Story) -> Iterator[tuple[str, str]]:
    """Every request gets an answer that counts, and none that may not be."""
    for asked in story.asked:
        for fault in asked.faults:
            yield asked.tag, f"{asked.kind}: {fault}"
        if asked.status is None:
            yield asked.tag, f"{asked.kind} was never answered, in {asked.tries} tries"


def started_once(story: Story) -> Iterator[tuple[str, str]]:
    """An acknowledged start is one execution; one that was refused or never answered is at most one."""
    found = Counter(f.tag for f in story.found if f.parent is None)
    starts = {a.tag: a for a in story.asked if a.kind in STARTS}
    for tag in found.keys() - starts.keys():
        yield tag, "an execution that nobody asked for"
    for tag, start in starts.items():
        if start.done and found[tag] == 0:
            yield tag, f"{start.execution_id} was accepted and is not there"
        if found[tag] > 1:
            yield tag, f"{found[tag]} executions of one request"
        if start.done and found[tag] and start.execution_id not in {f.execution_id for f in story.found}:
            yield tag, f"the execution that is there is not {start.execution_id}, which was accepted"


def at_rest(story: Story) -> Iterator[tuple[str, str]]:
    """Every execution has reached an end, or waits for a named reason; none fails of what was not planned."""
    for found in story.found:
        shown = found.got
        if shown.status not in ENDS and not (shown.status == "paused" and shown.detail):
            yield found.execution_id, f"neither ended nor waiting for a named reason: {shown.status} {shown.detail}"
        planned = story.planned | story.failing if found.turn else story.planned
        if shown.status == "failed" and shown.error not in planned:
            yield found.execution_id, f"failed of {shown.error}"
    for workflow in story.stuck:
        yield workflow, "still under way"


def commands_once(story: Story) -> Iterator[tuple[str, str]]:
    """A command that was acknowledged took effect once, one that was refused did not, and nothing comes later."""
    for chain in _by_execution(story.asked).values():
        for asked in chain:
            if asked.before is None or asked.after is None:
                continue
            grown = asked.after.revision - asked.before.revision
            if grown not in _growth(asked, asked.before):
                text = f"{asked.kind} ({asked.status} {asked.code}) of a {asked.before.status} execution: revision"
                yield asked.tag, f"{text} {asked.before.revision} -> {asked.after.revision}, in {asked.tries} tries"
        for earlier, later in itertools.pairwise(chain):
            if earlier.after and later.before and earlier.after.revision != later.before.revision:
                yield earlier.tag, f"revision {earlier.after.revision} -> {later.before.revision} without a command"
    last = {a.execution_id: a.after for a in story.asked if a.after is not None}
    for found in story.found:
        known = last.get(found.execution_id)
        if known is not None and known.revision != found.got.revision:
            text = f"revision {known.revision} -> {found.got.revision} after the last command"
            yield found.execution_id, text


def _growth(asked: Asked, before: Shown) -> tuple[int, ...]:
    """Return by how much the revision may grow."""
    if not asked.done or asked.kind == "terminate":
        return (0,)
    match asked.kind:
        case "pause":
            return (0,) if before.status == "paused" else (1,)
        case "resume":
            return (1,) if before.status == "paused" else (0,)
        case "rollback":  # one that is running is paused first
            return (1, 2) if before.status == "running" else (1,)
        case "cancel" | "migrate" | "answer":
            return (1,)
        case "replay":
            return (2,)
        case _:
            return (0,)


def events_once(story: Story) -> Iterator[tuple[str, str]]:
    """An event that was acknowledged reached its execution, and is taken once at most, however often it was told."""
    told: dict[str | None, set[str]] = defaultdict(set)
    for asked in story.asked:
        if asked.event is not None and (asked.done or asked.status is None):
            told[asked.execution_id].add(asked.event)
    heard = {found.execution_id: {event for run in found.runs for event in run.heard} for found in story.found}
    for asked in story.asked:
        if asked.event is not None and asked.done and asked.event not in heard.get(asked.execution_id or "", ()):
            yield asked.tag, f"event {asked.event} was acknowledged, and no history knows of it"
    for found in story.found:
        for event, times in Counter(found.taken).items():
            if times > 1:
                yield found.execution_id, f"event {event} was taken {times} times"
            if event not in told[found.execution_id] | told[found.source]:
                yield found.execution_id, f"event {event} was taken, and was not acknowledged"


def resets_once(story: Story) -> Iterator[tuple[str, str]]:
    """There are as many resets as were acknowledged, and none was made twice."""
    acknowledged = Counter(a.execution_id for a in story.asked if a.kind in RESETS and a.done)
    for found in story.found:
        operations = Counter(run.operation for run in found.runs if run.operation is not None)
        for operation, times in operations.items():
            if times > 1:
                yield found.execution_id, f"reset {operation} was made {times} times"
        wanted, made = acknowledged[found.execution_id], sum(operations.values())
        if made != wanted:
            yield found.execution_id, f"{wanted} resets were acknowledged, {made} were made"


def resets_keep_what_came_before(story: Story) -> Iterator[tuple[str, str]]:
    """After a reset the checkpoints up to its target are there, under their ids; a rollback has no others."""
    for asked in story.asked:
        if asked.kind in RESETS and asked.done and asked.after and asked.after.checkpoints is not None:
            there = asked.after.checkpoints
            there = there if asked.kind == "rollback" else there[: len(asked.kept)]
            if there != asked.kept:
                yield asked.tag, f"{asked.kind} to keep {asked.kept} left {asked.after.checkpoints}"


def everyone_agrees(story: Story) -> Iterator[tuple[str, str]]:
    """The list, the execution itself and Temporal say the same."""
    for found in story.found:
        for place, shown in (("the list", found.listed), ("Temporal", found.temporal)):
            for field in ("status", "revision", "run_id"):
                there, here = getattr(shown, field), getattr(found.got, field)
                if there is not None and there != here:
                    yield found.execution_id, f"{field}: {place} says {there!r}, GET says {here!r}"
        if found.listed.output != found.got.output or found.listed.error != found.got.error:
            yield found.execution_id, "the list has another output or error than GET"


def histories_replay(story: Story) -> Iterator[tuple[str, str]]:
    """The workflow code replays every history."""
    yield from story.unreplayable


def told_at_least_once(story: Story) -> Iterator[tuple[str, str]]:
    """Whoever is to be told of a request is told, until it is over; and what is said to have been told was."""
    taken = {each.request_id for each in story.deliveries if each.taken}
    for request in story.requests:
        if request.request_id not in taken and (request.told or request.status == "pending"):
            told = "is said to have been told" if request.told else "waits"
            yield request.execution_id, f"request {request.request_id} {told}, and nobody was"


def nobody_asked_in_vain(story: Story) -> Iterator[tuple[str, str]]:
    """Nobody is asked any more by an execution that has ended."""
    ended = {found.execution_id: found.got.status for found in story.found if found.got.status in ENDS}
    for request in story.requests:
        if request.status == "pending" and request.execution_id in ended:
            text = f"request {request.request_id} waits, and the execution is {ended[request.execution_id]}"
            yield request.execution_id, text


def told_in_order(story: Story) -> Iterator[tuple[str, str]]:
    """Nobody is told of a request before those of its execution that had to be answered first."""
    steps: dict[str, int] = defaultdict(int)
    for each in story.deliveries:
        if each.step > steps[each.execution_id] + 1 and each.execution_id not in _forks(story):
            yield each.execution_id, f"request {each.step} was told after request {steps[each.execution_id]}"
        # One that was not taken was told, too: perhaps it was answered before the receiver could say so.
        steps[each.execution_id] = max(steps[each.execution_id], each.step)


def _forks(story: Story) -> set[str]:
    """Return the executions that began in the middle."""
    return {found.execution_id for found in story.found if found.source is not None}


def said_once(story: Story) -> Iterator[tuple[str, str]]:
    """What was said stands in its conversation once, in order, with the one answer that was told; nothing else does."""
    for talk in story.talks:
        said = {asked.tag: asked for asked in talk.said}
        there = _turns(talk)
        heard = [text for text, _ in there]
        if [text for text in said if text in heard] != heard:
            yield talk.conversation_id, f"was said: {list(said)}; is there: {heard}"
        for text, replies in there:
            if text in said and replies not in _replies(said[text]):
                yield text, f"was told {said[text].status}, and is followed by {replies}"
        for asked in talk.said:
            if asked.done and asked.tag not in heard:
                yield asked.tag, "was answered, and is not there"


def _turns(talk: Talk) -> list[tuple[str, list[str]]]:
    """Return each message of the user with the answers to it; what stands before the first one answers an empty one."""
    turns: list[tuple[str, list[str]]] = []
    for role, text in talk.shown:
        if text is None:
            continue
        if role == "user":
            turns.append((text, []))
            continue
        if not turns:
            turns.append(("", []))
        turns[-1][1].append(text.strip())
    return turns


def _replies(asked: Asked) -> tuple[list[str], ...]:
    """Return what may follow a message: the answer when that was told, nothing when the turn failed."""
    return ([SAID],) if asked.done else ([], [SAID]) if asked.status is None else ([],)


def memory_returns(story: Story) -> Iterator[tuple[str, str]]:
    """At rest a program holds about what it held before the storm."""
    for name, (before, after) in story.memory.items():
        if after > before * MEMORY_GROWTH + MEMORY_LEEWAY:
            yield name, f"held {before >> 20} MiB before the storm, {after >> 20} MiB at rest after it"


def it_worked(story: Story) -> Iterator[tuple[str, str]]:
    """A storm in which everything failed says nothing: most starts are accepted, some executions are completed."""
    starts = [asked for asked in story.asked if asked.kind == "start"]
    accepted = sum(asked.done for asked in starts)
    if accepted * 2 < len(starts) or not accepted:
        yield "everything", f"{accepted} of {len(starts)} starts were accepted"
    if not any(found.got.status == "completed" for found in story.found):
        yield "everything", "no execution was completed"
    if not effects(story.ledger):
        yield "everything", "nothing had an effect"
    talks = [asked for asked in story.asked if asked.kind == "talk"]
    if talks and not any(asked.done for asked in talks):
        yield "everything", f"none of {len(talks)} conversations was begun"
    said = [asked for talk in story.talks for asked in talk.said]
    if len(said) >= FEW and not any(asked.done for asked in said):
        yield "everything", f"none of {len(said)} messages was answered"


def _by_execution(asked: list[Asked]) -> dict[str, list[Asked]]:
    chains: dict[str, list[Asked]] = defaultdict(list)
    for request in asked:
        if request.execution_id is not None and request.kind not in STARTS:
            chains[request.execution_id].append(request)
    return chains


RULES: list[Rule] = [
    answered,
    started_once,
    at_rest,
    commands_once,
    events_once,
    resets_once,
    resets_keep_what_came_before,
    effects_once,
    results_are_effects,
    nothing_discarded_is_visible,
    undone_once,
    everyone_agrees,
    histories_replay,
    told_at_least_once,
    nobody_asked_in_vain,
    told_in_order,
    said_once,
    memory_returns,
    it_worked,
]
