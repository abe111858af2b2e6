"""The guide to schedules: its commands are run as they stand."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from guided import ROOT, run, steps_of

from cairn.cli.demo.installation import Installation
from cairn.contracts.schedules import Overlap

GUIDE = (ROOT / "docs" / "schedules.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE)
    assert len(guide) == 6
    run(guide, installation, 200)


def test_every_overlap_policy_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \| (?=\w)", GUIDE[GUIDE.index("## What overlaps") :], re.MULTILINE) == [
        *get_args(Overlap)
    ]
