"""The guides to prompt blocks and skills: their commands are run as they stand, and they name what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.domain.prompt_blocks.built_in import BUILT_IN
from cairn.domain.prompt_blocks.model import BlockSettings
from cairn.domain.tools.skills import LARGEST_READ
from cairn.settings import Settings

GUIDES = {name: (ROOT / "docs" / f"agentflow-{name}.md").read_text() for name in ("prompt-blocks", "skills")}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "steps"), [("prompt-blocks", 5), ("skills", 5)])
def test_every_command_prints_what_stands_below_it(installation: Installation, name: str, steps: int) -> None:
    guide = steps_of(GUIDES[name])
    assert len(guide) == steps
    run(guide, installation, 200)


@pytest.mark.parametrize("name", GUIDES)
def test_every_operation_is_named_and_every_named_one_is_served(name: str) -> None:
    document = surfaces(Settings())["agentflow"].openapi()
    served = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, item in document["paths"].items()
        for method in item
        if path.startswith(f"/api/v1/{name}") or path.endswith(f"}}/{name}")
    }
    assert served and served == set(re.findall(r"`(GET|POST|PATCH|DELETE) (/[^`?]*)`", GUIDES[name]))


def test_every_member_and_every_dynamic_block_is_told() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", GUIDES["prompt-blocks"], re.MULTILINE)
    assert set(rows) == {"name", "body", *BlockSettings.model_fields, *BUILT_IN}


def test_how_much_of_a_skill_is_read_is_told() -> None:
    assert f"{LARGEST_READ:,} bytes" in GUIDES["skills"]
