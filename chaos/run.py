"""One storm from its beginning to its report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from chaos.checker import Violation, check
from chaos.driver import Actor, publish
from chaos.faults import Storm
from chaos.installation import Installation
from chaos.observe import Observer
from chaos.outside import Outside
from chaos.programs import Prepare
from chaos.records import Asked, Story
from chaos.talker import AGENT, Talker, make_agent


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        seconds: how long the storm rages.
        seed: of all chance.
        clients: how many work at once, each with one execution at a time; a quarter as many more talk with an agent.
        postgresql: Cairn's database on PostgreSQL instead of a file.
        cluster: Temporal on PostgreSQL instead of a dev server; Cairn's database is there, too.
        bug: makes Cairn wrong, in each of its processes before it begins.
        least: requests of each client that have to be answered before the storm may end.
        seen: tells by what clients have asked so far whether the storm may end.
        settle: seconds after the storm in which everything has to come to rest; each reading is waited for no longer.
        graphs: names of those whose executions clients start; none: all.
        own_disk: PostgreSQL on a disk that can be filled; see ``chaos.postgresql.have_own_mounts``.
    """

    seconds: float = 60.0
    seed: int = 1
    clients: int = 24
    postgresql: bool = False
    cluster: bool = False
    own_disk: bool = False
    bug: Prepare | None = None
    least: int = 0
    seen: Callable[[Iterable[Asked]], bool] = lambda _: True
    settle: float = 150.0
    graphs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went; ``settled`` is in how many seconds after the storm everything had come to rest."""

    story: Story
    storm: Storm
    violations: list[Violation]
    settled: float


async def run(plan: Plan, folder: Path) -> Outcome:
    """Carry a plan out in an empty folder; no process is left."""
    where = {"postgresql": plan.postgresql, "cluster": plan.cluster}
    site = Installation(folder, Outside(plan.seed), **where, bug=plan.bug)
    try:
        await site.open(own_disk=plan.own_disk)
        graphs, agent = await publish(site), await make_agent(site)
        before = site.memory()
        storm = Storm(site, plan.seed, plan.seconds, plan.settle)
        started = {name: graphs[name] for name in plan.graphs or graphs}
        actors = [Actor(f"client-{n}", site, storm, started, plan.seed) for n in range(1, plan.clients + 1)]
        names = [f"talker-{n}" for n in range(1, plan.clients // 4 + 1)]
        talkers = [Talker(name, site, storm, {AGENT: agent}, plan.seed) for name in names]
        clients = [*actors, *talkers]
        storm.enough = lambda: (
            all(client.answered >= plan.least for client in clients)
            and plan.seen(asked for client in clients for asked in client.asked)
        )
        await asyncio.gather(storm.run(), *(client.run() for client in clients))
        settled = time.monotonic() - storm.over
        talks = [talk for talker in talkers for talk in talker.talks]
        story = await Observer(site, plan.settle).story(
            [asked for client in clients for asked in client.asked], talks, before
        )
    finally:
        await site.close()
    return Outcome(story, storm, check(story), settled)
