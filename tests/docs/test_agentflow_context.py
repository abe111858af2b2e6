"""The guide to context blocks: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from guided import ROOT, run, steps_of

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.domain.context.service import LARGEST
from cairn.domain.prompt_blocks.model import Source
from cairn.settings import Settings

GUIDE = (ROOT / "docs" / "agentflow-context.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE)
    assert len(guide) == 5
    run(guide, installation, 200)


def test_every_operation_is_named_and_every_named_one_is_served() -> None:
    document = surfaces(Settings())["agentflow"].openapi()
    served = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, item in document["paths"].items()
        for method in item
        if "/context/" in path
    }
    assert served and served == set(re.findall(r"`(GET|POST) (/[^`?]*)`", GUIDE))


def test_the_names_and_figures_are_those_of_the_code() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| ", GUIDE, re.MULTILINE)) == {"source", *get_args(Source)}
    assert f"{LARGEST:,} characters" in GUIDE
