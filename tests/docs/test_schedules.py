"""The guide to schedules: its commands are run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from docs.test_readme import FENCE, missing

from cairn.cli.demo.installation import Installation
from cairn.contracts.schedules import Overlap

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "schedules.md").read_text()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("home"))
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()


def steps() -> list[tuple[str, str]]:
    """Commands and the lines that they print."""
    found: list[tuple[str, str]] = []
    for language, text in FENCE.findall(GUIDE):
        if language == "sh":
            found.append((text, ""))
        else:
            found[-1] = (found[-1][0], text)
    return found


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps()
    assert len(guide) == 6
    script = "".join(f"{commands}\nprintf '\\n<<<%s>>>\\n' $?\n" for commands, _ in guide)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-eu", "-o", "pipefail"],
        input=script,
        cwd=ROOT,
        env={**os.environ, **installation.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=200,
    )
    printed = re.split(r"^<<<(\d+)>>>\n", result.stdout, flags=re.MULTILINE)
    assert len(printed) == 2 * len(guide) + 1, result.stdout + result.stderr
    for (commands, prints), output in zip(guide, printed[::2], strict=False):
        assert missing(prints, output) is None, f"{commands}\n{output}\n{result.stderr}"


def test_every_overlap_policy_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \| (?=\w)", GUIDE[GUIDE.index("## What overlaps") :], re.MULTILINE) == [
        *get_args(Overlap)
    ]
