"""The guide to capabilities: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from activities.llm_agent import CORRECTIONS
from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.domain.capabilities import passages
from cairn.domain.capabilities.service import LONGEST_WAIT
from cairn.settings import Settings

GUIDE = (ROOT / "docs" / "agentflow-capabilities.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE)
    assert len(guide) == 4
    run(guide, installation, 200)


def test_every_operation_is_named_and_every_named_one_is_served() -> None:
    document = surfaces(Settings())["agentflow"].openapi()
    served = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, item in document["paths"].items()
        for method in item
        if "/capability/" in path
    }
    assert served and served == set(re.findall(r"`(POST) (/[^`?]*)`", GUIDE))


def test_the_figures_are_those_of_the_code() -> None:
    assert f"{LONGEST_WAIT:g} seconds" in GUIDE and CORRECTIONS == 2
    assert passages.LARGEST_FILE == 1024**2 and passages.LARGEST == 16 * 1024**2
