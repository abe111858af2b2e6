"""Sub-agents: no cycles, not too deep, also when several are assigned at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from domain.graphs.authoring import ACME

from cairn.domain.agents import AgentService
from cairn.domain.agents.hierarchy import check
from cairn.domain.graphs.service import GraphService
from cairn.domain.tools.authored import ToolService
from cairn.domain.tools.registry import ToolRegistry
from cairn.errors import Conflict
from cairn.graph.validate import ValidationContext
from cairn.persistence.session import Database

CHAIN = {number: [number + 1] for number in range(1, 6)}
"""1 to 6, each the sub-agent of the one before."""


@pytest.mark.parametrize(
    ("links", "changed", "code"),
    [
        ({1: [1]}, 1, "subagent_cycle"),
        ({1: [2], 2: [3], 3: [1]}, 2, "subagent_cycle"),
        ({1: [2, 3], 2: [4], 3: [4], 4: [5]}, 1, None),
        (CHAIN, 3, None),
        ({**CHAIN, 6: [7]}, 6, "subagents_too_deep"),
        ({**CHAIN, 7: [1]}, 7, "subagents_too_deep"),
        ({1: [2], 2: [3], 4: [5], 5: [6], 6: [7], 3: [4]}, 3, "subagents_too_deep"),
        ({**CHAIN, 7: [8]}, 7, None),
    ],
)
def test_cycles_and_depth(links: Mapping[int, Sequence[int]], changed: int, code: str | None) -> None:
    if code is None:
        return check(links, changed)
    with pytest.raises(Conflict) as refused:
        check(links, changed)
    assert refused.value.code == code


def test_many_ways_to_one_agent_are_looked_at_once() -> None:
    wide = {level: [10 * level + place for place in range(100)] for level in range(1, 2)}
    layers = {number: list(range(1000, 1100)) for number in range(100)}
    check({**wide, **layers, 2000: list(range(100))}, 2000)


@asynccontextmanager
async def service(database: Database) -> AsyncIterator[AgentService]:
    async with database.transaction() as session:
        graphs = GraphService(session, ACME, "ada", ValidationContext(known_tools=frozenset()))
        yield AgentService(graphs, ToolService(session, ACME, "ada", ToolRegistry()), "offline", "ada")


async def test_of_assignments_that_make_a_cycle_together_one_is_refused(database: Database) -> None:
    ids: list[str] = []
    for name in "abcd":
        async with service(database) as agents:
            ids.append((await agents.create({"name": name})).id)
    a, b, c, d = ids
    for agent, subagent in ((a, b), (c, d)):
        async with service(database) as agents:
            await agents.change(agent, {"subagents": [subagent]})

    async def assign(agent: str, subagent: str) -> str:
        try:
            async with service(database) as agents:
                await agents.change(agent, {"subagents": [subagent]})
        except Conflict as error:
            return error.code
        return "done"

    # b -> c and d -> a share no agent, and close the circle.
    assert sorted(await asyncio.gather(assign(b, c), assign(d, a))) == ["done", "subagent_cycle"]
