"""The guide to usage and budgets: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.settings import Settings

GUIDE = (ROOT / "docs" / "agentflow-usage.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE)
    assert len(guide) == 5
    run(guide, installation, 200)


def test_every_operation_is_named() -> None:
    paths = surfaces(Settings())["agentflow"].openapi()["paths"]
    served = {(method.upper(), path) for path in paths if path.startswith("/api/v1/admin") for method in paths[path]}
    named = {(method, f"/api/v1{path}") for method, path in re.findall(r"`(GET|PUT) (/admin[^`]*)`", GUIDE)}
    assert named == served and len(served) == 5
