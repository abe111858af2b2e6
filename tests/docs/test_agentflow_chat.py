"""The guide to chat: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from guided import ROOT, run, steps_of

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.domain.chat.model import EventType
from cairn.domain.chat.service import PATIENCE
from cairn.domain.conversations.model import MAX_MESSAGE
from cairn.settings import Settings

GUIDE = (ROOT / "docs" / "agentflow-chat.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE, besides=("js",))
    assert len(guide) == 8
    run(guide, installation, 200)


def test_every_operation_that_is_named_is_served() -> None:
    document = surfaces(Settings())["agentflow"].openapi()
    served = {
        (method.upper(), path.removeprefix("/api/v1")) for path, item in document["paths"].items() for method in item
    }
    named = set(re.findall(r"`(GET|POST|PUT|DELETE) (/agent/[^`?]*)`", GUIDE))
    assert named and named <= served


def test_the_names_are_those_of_the_code() -> None:
    assert all(f"`{kind}`" in GUIDE for kind in get_args(EventType))
    assert f"{MAX_MESSAGE} characters" in GUIDE and f"{PATIENCE:g} seconds" in GUIDE
