"""What a storm was like, in few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from chaos.checker import Violation
from chaos.faults import Storm
from chaos.ledger import effects
from chaos.records import Story

_SHOWN = 40


def lines(story: Story, storm: Storm, violations: Sequence[Violation]) -> Iterator[str]:
    """Yield the report."""
    ends = Counter(found.got.status for found in story.found)
    yield f"executions   {len(story.found)}: {_counted(ends)}"
    commands = Counter(a.kind for a in story.asked if a.done and a.kind not in ("start", "read"))
    yield f"commands     {sum(commands.values())} acknowledged: {_counted(commands)}"
    refused = Counter(a.code for a in story.asked if a.code)
    yield f"refused      {sum(refused.values())}: {_counted(refused)}"
    asked = [a for a in story.asked if a.kind not in ("read", "terminate")]
    yield f"requests     {len(asked)} in {sum(a.tries for a in asked)} tries"
    calls = sum(entry.what == "call" for entry in story.ledger)
    yield f"effects      {len(effects(story.ledger))} of {calls} calls"
    yield f"histories    {sum(len(found.runs) for found in story.found)} runs of executions"
    yield f"faults       {_counted(Counter({f'{name} {deed}': n for (name, deed), n in storm.done.items()}))}"
    if storm.fell:
        yield f"fell         {_counted(Counter({f'{name} ({code})': n for (name, code), n in storm.fell.items()}))}"
    yield f"violations   {len(violations)}"
    for violation in violations[:_SHOWN]:
        yield f"  {violation.rule}: {violation.where}: {violation.text}"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
