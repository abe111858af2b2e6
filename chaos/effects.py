"""Rules on what happened outside: what the ledger has, beside what histories and outputs say of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from chaos.discarded import discarded
from chaos.graphs import BRANCHES
from chaos.ledger import ACTS, Entry, effects
from chaos.records import Found, Story


def effects_once(story: Story) -> Iterator[tuple[str, str]]:
    """A try is made once, all tries of a call with one key, which has one effect; what was commanded happened."""
    tries = Counter(("call" if e.what == "call" else "effect", e.key, e.attempt) for e in story.ledger)
    for (what, key, attempt), times in tries.items():
        if times > 1:
            yield key, f"{what} of try {attempt} was asked for {times} times"
    for key, times in Counter(e.key for e in story.ledger if e.what in ACTS).items():
        if times > 1:
            yield key, f"one key had {times} effects"
    yield from _keys(story)
    commanded = {key for found in story.found for run in found.runs for key in run.scheduled}
    for entry in effects(story.ledger):
        if entry.key not in commanded:
            yield entry.execution_id, f"an effect that no history knows of: {entry.key}"


def _keys(story: Story) -> Iterator[tuple[str, str]]:
    """All tries of one call have one key, and one key is of one effect."""
    keys: dict[str, set[str]] = defaultdict(set)
    meant: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for entry in story.ledger:
        keys[entry.command].add(entry.key)
        meant[entry.key].add((entry.execution_id, entry.name))
    for command, used in keys.items():
        if len(used) > 1:
            yield command, f"the tries of one call had several keys: {sorted(used)}"
    for key, meanings in meant.items():
        if len(meanings) > 1:
            yield key, f"one key for different effects: {sorted(meanings)}"


def results_are_effects(story: Story) -> Iterator[tuple[str, str]]:
    """A result in history or in an output stands for an effect of that execution that did happen."""
    happened = {(e.execution_id, e.key): e for e in effects(story.ledger)}
    for found in story.found:
        for run in found.runs:
            for key in run.completed:
                if (found.execution_id, key) not in happened:
                    yield found.execution_id, f"history has a result of {key}, which did not happen"
        for name, key in found.claims.items():
            entry: Entry | None = happened.get((found.execution_id, key))
            if entry is None and found.source is not None:  # done before the fork
                entry = happened.get((found.source, key))
            if entry is None or entry.name != name:
                yield found.execution_id, f"the output says {name} was done as {key}; it was not"


def nothing_discarded_is_visible(story: Story) -> Iterator[tuple[str, str]]:
    """What an execution knows and shows its present line did, a replay kept, or was there before it was forked."""
    by_id = {found.execution_id: found for found in story.found}
    for found in story.found:
        line = _line(found, found.got.run_id) | _kept(found)
        source = by_id.get(found.source or "")
        before = {key for run in source.runs for key in run.completed} if source else set[str]()
        for name, key in found.claims.items():
            if key not in line | before:
                yield found.execution_id, f"the output has {name} of {key}, which is of a line that was discarded"
        ever = {key for run in found.runs for key in run.completed}
        for key in (found.known & ever) - line - before:
            yield found.execution_id, f"the last checkpoint has {key}, which is of a line that was discarded"


def _line(found: Found, run_id: str | None) -> set[str]:
    """Return the keys of what a run brought, and of the runs that went on in it."""
    runs = {run.run_id: run for run in found.runs}
    line, seen = set[str](), set[str]()
    while run_id in runs and run_id not in seen:
        seen.add(run_id)
        run = runs[run_id]
        line |= run.completed
        run_id = run.continues
    return line


def _kept(found: Found) -> set[str]:
    """Return the keys of what replays may have kept: what the line before had done in other branches of a parallel."""
    replays = [run for run in found.runs if run.operation is not None and run.operation not in found.rollbacks]
    return {key for run in replays for key in _line(found, run.base_run_id) if key.split("/")[1] in BRANCHES}


def undone_once(story: Story) -> Iterator[tuple[str, str]]:
    """A rollback undoes each effect that it goes back over, in children too, once; and nothing that stays."""
    undos: dict[str, set[str]] = defaultdict(set)
    for entry in story.ledger:
        if entry.what == "undo":
            undos[entry.name].add(entry.key)
    for effect, keys in undos.items():
        if len(keys) > 1:
            yield effect, f"was undone {len(keys)} times: {sorted(keys)}"
    happened = {entry.key for entry in effects(story.ledger)}
    due, open_ = discarded(story)
    for effect in undos.keys() - (due | open_):
        yield effect, "was undone, and no rollback went back over it"
    for effect in (due - open_ - undos.keys()) & happened:
        yield effect, "a rollback went back over it, and it was not undone"
