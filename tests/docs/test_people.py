"""The guide to people and events: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.settings import Settings

GUIDE = (ROOT / "docs" / "people.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE, besides=("text", ""))
    assert len(guide) == 8
    run(guide, installation, 200)


def test_every_operation_is_named_and_every_named_one_is_served() -> None:
    served = {
        (method.upper(), path.removeprefix("/api/v1"))
        for name, app in surfaces(Settings()).items()
        for path, item in app.openapi()["paths"].items()
        for method in item
        if name in ("agentflow", "omium")
    }
    named = set(re.findall(r"`(GET|POST|DELETE) (/[^`?]*)`", GUIDE))
    assert named <= served
    assert {each for each in served if each[1].startswith(("/approvals", "/questions"))} <= named
