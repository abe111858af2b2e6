"""One storm from its beginning to its report."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from chaos.checker import Violation, check
from chaos.driver import Actor, publish
from chaos.faults import Storm
from chaos.installation import Installation
from chaos.observe import Observer
from chaos.outside import Outside
from chaos.records import Story


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        seconds: how long the storm rages.
        seed: of all chance.
        clients: how many work at once, each with one execution at a time.
        cluster: Temporal and Cairn on PostgreSQL instead of a dev server and files.
        tools: module of the tools that executions use.
        settle: seconds after the storm in which everything has to come to rest.
        own_disk: PostgreSQL on a disk that can be filled; see ``chaos.postgresql.have_own_mounts``.
    """

    seconds: float = 60.0
    seed: int = 1
    clients: int = 24
    cluster: bool = False
    own_disk: bool = False
    tools: str = "chaos.tools"
    settle: float = 150.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went; ``settled`` is in how many seconds after the storm everything had come to rest."""

    story: Story
    storm: Storm
    violations: list[Violation]
    settled: float


async def run(plan: Plan, folder: Path) -> Outcome:
    """Carry a plan out in an empty folder; no process is left."""
    site = Installation(folder, Outside(plan.seed), cluster=plan.cluster, tools=plan.tools)
    try:
        await site.open(own_disk=plan.own_disk)
        graphs = await publish(site)
        before = site.memory()
        storm = Storm(site, plan.seed, plan.seconds, plan.settle)
        actors = [Actor(f"client-{n}", site, storm, graphs, plan.seed) for n in range(1, plan.clients + 1)]
        await asyncio.gather(storm.run(), *(actor.run() for actor in actors))
        settled = time.monotonic() - storm.over
        story = await Observer(site).story([asked for actor in actors for asked in actor.asked], before)
    finally:
        await site.close()
    return Outcome(story, storm, check(story), settled)
