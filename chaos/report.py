"""What a storm was like: a page, in Markdown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from chaos.checker import RULES
from chaos.ledger import effects
from chaos.outside import DEEDS
from chaos.records import Story
from chaos.run import Outcome, Plan

_SHOWN = 8
"""Violations of each promise: one that is broken everywhere hides no other."""


def page(plan: Plan, outcome: Outcome) -> str:
    """Return the report."""
    return "\n".join(_lines(plan, outcome)) + "\n"


def _lines(plan: Plan, outcome: Outcome) -> Iterator[str]:
    story, storm, violations = outcome.story, outcome.storm, outcome.violations
    where = _where(plan)
    yield f"# Storm: {len(violations)} violations"
    yield ""
    yield f"{plan.seconds:.0f} s by seed {plan.seed}; {plan.clients} clients, 2 APIs, 2 workers, {where}."
    yield f"Everything had come to rest {outcome.settled:.0f} s after it."
    yield ""
    yield "## Faults"
    yield ""
    yield from _table(("what", "deed", "times"), _deeds(outcome))
    yield ""
    for what, reason in storm.missing.items():
        yield f"Not here: {what}: {reason}."
    fell = Counter({f"{name} ({code})": times for (name, code), times in storm.fell.items()})
    yield f"Programs that ended by themselves, with how, and were started again: {_counted(fell)}."
    yield ""
    yield "## Executions"
    yield ""
    ends = Counter(found.got.status for found in story.found)
    runs = sum(len(found.runs) for found in story.found)
    calls = sum(entry.what == "call" for entry in story.ledger)
    repeats = sum(entry.what == "repeat" for entry in story.ledger)
    told = sum(each.taken for each in story.deliveries)
    yield from _table(
        ("what", "how many"),
        [
            ("executions", f"{len(story.found)}: {_counted(ends)}"),
            ("histories replayed", f"{runs} runs of executions, and those of resets and maps"),
            ("effects", f"{len(effects(story.ledger))} of {calls} calls"),
            ("repeats", f"{repeats} refused by the service outside: their keys had had their effects"),
            ("messages to an agent", _talked(story)),
            ("notifications", f"{told} taken of {len(story.deliveries)} sent, of {len(story.requests)} requests"),
        ],
    )
    yield ""
    yield "## Commands"
    yield ""
    yield from _table(("command", "acknowledged", "refused", "tries", "late retries"), _commands(outcome))
    yield ""
    refused = Counter(a.code for a in story.asked if a.code)
    yield f"Refusals: {_counted(refused)}."
    yield ""
    yield "## Memory"
    yield ""
    memory = [(name, f"{a >> 20} MiB", f"{b >> 20} MiB") for name, (a, b) in sorted(story.memory.items())]
    yield from _table(("program", "before", "at rest after it"), memory)
    yield ""
    yield "## Violations"
    yield ""
    broken = Counter(violation.rule for violation in violations)
    yield from _table(("promise", "violations"), [(_spoken(rule), broken[rule.__name__]) for rule in RULES])
    yield ""
    for rule, times in broken.items():
        found = [violation for violation in violations if violation.rule == rule]
        for violation in found[:_SHOWN]:
            yield f"- `{rule}` {violation.where}: {violation.text}"
        if times > _SHOWN:
            yield f"- `{rule}`: and {times - _SHOWN} more"


def _where(plan: Plan) -> str:
    if plan.cluster:
        return "Temporal and Cairn on PostgreSQL"
    return f"Temporal's dev server, Cairn on {'PostgreSQL' if plan.postgresql else 'SQLite'}"


def _deeds(outcome: Outcome) -> list[tuple[str, str, int]]:
    """Return how often each fault happened, also those that did not."""
    done, storm = outcome.storm.done, outcome.storm
    known = {(fault.target, fault.deed) for fault in storm.faults}
    known |= {(who, deed) for who in ("model", "receiver") for deed in DEEDS} | done.keys()
    return [(target, deed, done[target, deed]) for target, deed in sorted(known)]


def _talked(story: Story) -> str:
    said = sum(len(talk.said) for talk in story.talks)
    resumed = sum(talk.resumed for talk in story.talks)
    return f"{said} in {len(story.talks)} conversations; {resumed} streams were gone on with"


def _commands(outcome: Outcome) -> list[tuple[str, int, int, int, int]]:
    by_kind: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for asked in outcome.story.asked:
        if asked.kind != "read":
            more = (asked.done, asked.status is not None and not asked.done, asked.tries, asked.late)
            by_kind[asked.kind] = [a + b for a, b in zip(by_kind[asked.kind], more, strict=True)]
    return [(kind, *counts) for kind, counts in sorted(by_kind.items())]  # pyright: ignore[reportReturnType]


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"


def _spoken(rule: object) -> str:
    return (getattr(rule, "__doc__", None) or "").splitlines()[0].rstrip(".")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
