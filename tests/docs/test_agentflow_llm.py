"""The guide to language models: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.domain.llm import BYO_PROVIDERS
from cairn.settings import Settings

GUIDE = (ROOT / "docs" / "agentflow-llm.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE)
    assert len(guide) == 8
    run(guide, installation, 200)


def test_every_operation_is_named_and_every_named_one_is_served() -> None:
    document = surfaces(Settings())["agentflow"].openapi()
    served = {
        (method.upper(), path.removeprefix("/api/v1")) for path, item in document["paths"].items() for method in item
    }
    named = set(re.findall(r"`(GET|POST|PUT|DELETE) (/[^`?]*)`", GUIDE))
    assert named <= served
    assert {each for each in served if each[1].startswith(("/llm", "/models"))} <= named


def test_the_names_are_those_of_the_code() -> None:
    assert all(f"`{provider}`" in GUIDE for provider in BYO_PROVIDERS)
    assert f"({Settings().llm_timeout:g})" in GUIDE
