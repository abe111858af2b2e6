"""The guide to people and events: its commands are run as they stand, and it names what is served."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.test_readme import FENCE, missing

from api.app import surfaces
from cairn.cli.demo.installation import Installation
from cairn.settings import Settings

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "people.md").read_text()


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
        elif language == "json":
            found[-1] = (found[-1][0], text)
    return found


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps()
    assert len(guide) == 8
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


def test_every_operation_is_named_and_every_named_one_is_served() -> None:
    served = {
        (method.upper(), path.removeprefix("/api/v1"))
        for name, app in surfaces(Settings()).items()
        for path, item in app.openapi()["paths"].items()
        for method in item
        if name in ("agentflow", "omium")
    }
    named = set(re.findall(r"`(GET|POST|DELETE) (/[^`?]*)`", GUIDE))
    assert named <= served
    assert {each for each in served if each[1].startswith(("/approvals", "/questions"))} <= named
