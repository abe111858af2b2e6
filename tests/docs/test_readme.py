"""The tour in the README: every command of it is run, in order and as it stands, and prints what stands below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cairn.cli.demo.installation import Installation

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TOUR = README[README.index("## A five-minute tour") : README.index("## Guides")]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Step:
    """Commands and the lines that they print; `…` stands for anything."""

    commands: str
    prints: str = ""


def steps() -> list[Step]:
    found: list[Step] = []
    for language, text in FENCE.findall(TOUR):
        if language == "sh":
            found.append(Step(text))
        else:
            assert not found[-1].prints, f"two outputs after one another: {text}"
            found[-1].prints = text
    return found


def missing(expected: str, printed: str) -> str | None:
    """Return the first expected line that is not printed after those before it."""
    lines = iter(printed.splitlines())
    for wanted in expected.splitlines():
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("…")))
        if not any(pattern.fullmatch(line.rstrip()) for line in lines):
            return wanted
    return None


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """What `make serve` runs, on free ports."""
    installation = Installation(tmp_path_factory.mktemp("home"))
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()


def test_the_two_commands_come_first() -> None:
    assert re.findall(r"^make \w+", FENCE.findall(README)[0][1], re.MULTILINE) == ["make demo", "make test"]


def test_the_tour_begins_with_make_serve_which_runs_cairn_serve() -> None:
    assert steps()[0].commands == "make serve\n"
    assert re.search(r"^serve:.*\n\t.*cairn serve$", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.timeout(400)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    tour = steps()[1:]
    assert len(tour) >= 9
    script = "".join(f"{step.commands}\nprintf '\\n<<<%s>>>\\n' $?\n" for step in tour)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-eu", "-o", "pipefail"],
        input=script,
        cwd=ROOT,
        env={**os.environ, **installation.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    printed = re.split(r"^<<<(\d+)>>>\n", result.stdout, flags=re.MULTILINE)
    assert len(printed) == 2 * len(tour) + 1, result.stdout + result.stderr
    for step, output, status in zip(tour, printed[::2], printed[1::2], strict=False):
        assert status == "0", f"{step.commands}\n{output}\n{result.stderr}"
        assert missing(step.prints, output) is None, f"{step.commands}\n{output}\n{result.stderr}"
    assert result.stderr == ""
