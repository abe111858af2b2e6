"""The guides to conversations and cancellation: their commands are run as they stand, and they name what is served."""

from __future__ import annotations

import re

import pytest
from guided import ROOT, run, steps_of

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.domain.conversations.model import MAX_MESSAGE
from cairn.settings import Settings

CONVERSATIONS = (ROOT / "docs" / "agentflow-conversations.md").read_text()
CANCELLATION = (ROOT / "docs" / "agentflow-cancellation.md").read_text()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("page", "steps"), [(CONVERSATIONS, 7), (CANCELLATION, 4)])
def test_every_command_prints_what_stands_below_it(installation: Installation, page: str, steps: int) -> None:
    guide = steps_of(page)
    assert len(guide) == steps
    run(guide, installation, 200)


@pytest.mark.parametrize(
    ("page", "paths"), [(CONVERSATIONS, r"^/(conversations|agent/.*conversations)"), (CANCELLATION, "^/cancel")]
)
def test_every_operation_is_named_and_every_named_one_is_served(page: str, paths: str) -> None:
    document = surfaces(Settings())["agentflow"].openapi()
    served = {
        (method.upper(), path.removeprefix("/api/v1")) for path, item in document["paths"].items() for method in item
    }
    named = set(re.findall(r"`(GET|POST|PUT|DELETE) (/[^`?]*)`", page))
    assert named <= served
    assert {each for each in served if re.search(paths, each[1])} <= named


def test_the_limit_is_that_of_the_code() -> None:
    assert f"{MAX_MESSAGE} characters" in CONVERSATIONS
