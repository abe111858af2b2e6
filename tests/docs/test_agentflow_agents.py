"""The guide to agents of agentflow: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from api.agentflow.routes import agents, subagents
from cairn.cli.demo.installation import Installation
from cairn.domain.agents import AgentConfig
from cairn.graph.subagents import MAX_LEVELS

GUIDE = (ROOT / "docs" / "agentflow-agents.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE)
    assert len(guide) == 9
    run(guide, installation, 200)


def test_every_operation_is_named_and_every_named_one_is_served() -> None:
    served = {
        (method, route.path.removeprefix("/api/v1"))  # type: ignore[attr-defined]
        for router in (agents.router, subagents.router)
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    assert set(re.findall(r"`(GET|POST|PATCH|DELETE) (/[^`?]*)`", GUIDE)) == served


def test_every_member_of_the_configuration_is_told() -> None:
    table = GUIDE[GUIDE.index("| member |") : GUIDE.index("The graph of an agent is")]
    assert {name for name in AgentConfig.model_fields if f"`{name}`" not in table} == set()
    assert MAX_LEVELS == 5 and "At most five levels" in GUIDE
