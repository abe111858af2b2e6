"""The tour in the README: every command of it is run, in order and as it stands, and prints what stands below it."""

from __future__ import annotations

import re

import pytest
from guided import FENCE, ROOT, run, steps_of

from cairn.cli.demo.installation import Installation

README = (ROOT / "README.md").read_text()
TOUR = README[README.index("## A five-minute tour") : README.index("## Guides")]


def test_the_two_commands_come_first() -> None:
    assert re.findall(r"^make \w+", FENCE.findall(README)[0][1], re.MULTILINE) == ["make demo", "make test"]


def test_the_tour_begins_with_make_serve_which_runs_cairn_serve() -> None:
    assert steps_of(TOUR)[0].commands == "make serve\n"
    assert re.search(r"^serve:.*\n\t.*cairn serve$", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.timeout(400)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    tour = steps_of(TOUR)[1:]
    assert len(tour) >= 9
    assert run(tour, installation, 300) == ""
