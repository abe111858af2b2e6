"""The guide to tools of agents: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from api.agentflow.routes import agent_tools
from api.agentflow.schemas.tools import CreateTool
from cairn.cli.demo.installation import Installation
from cairn.domain.agents.tool_runs import LONGEST_WAIT
from cairn.domain.tools.authored.drafts import LIFETIME
from cairn.domain.tools.authored.writing import REPAIRS, USE_CASE

GUIDE = (ROOT / "docs" / "agentflow-tools.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE)
    assert len(guide) == 8
    run(guide, installation, 200)


def test_every_operation_is_named_and_every_named_one_is_served() -> None:
    served = {
        (method, route.path.removeprefix("/api/v1"))  # type: ignore[attr-defined]
        for route in agent_tools.router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    table = GUIDE[GUIDE.rindex("| | |") :]
    assert set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)`", table)) == served


def test_every_member_of_a_tool_is_told_and_the_figures_are_right() -> None:
    table = GUIDE[GUIDE.index("| member |") : GUIDE.index("What cannot be called")]
    assert {name for name in CreateTool.model_fields if f"`{name}`" not in table} == set()
    assert (LONGEST_WAIT, LIFETIME.days, REPAIRS, USE_CASE) == (120, 30, 2, "tools")
