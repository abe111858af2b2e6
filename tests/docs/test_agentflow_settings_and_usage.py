"""The guides to settings, usage and budgets: their commands are run as they stand, and they name what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.settings import Settings

GUIDES = {"settings": "/settings", "usage": "/admin"}
"""Under which path is what a guide tells of."""


def text_of(guide: str) -> str:
    return (ROOT / "docs" / f"agentflow-{guide}.md").read_text()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_prints_what_stands_below_it(guide: str, installation: Installation) -> None:
    steps = steps_of(text_of(guide))
    assert len(steps) == 5
    run(steps, installation, 200)


@pytest.mark.parametrize(("guide", "operations"), [("settings", 4), ("usage", 5)])
def test_every_operation_is_named(guide: str, operations: int) -> None:
    paths, under = surfaces(Settings())["agentflow"].openapi()["paths"], GUIDES[guide]
    served = {(method.upper(), path) for path in paths if path.startswith(f"/api/v1{under}") for method in paths[path]}
    told = re.findall(rf"`(GET|POST|PUT|PATCH) ({under}[^`]*)`", text_of(guide))
    assert {(method, f"/api/v1{path}") for method, path in told} == served and len(served) == operations
