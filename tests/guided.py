"""Pages whose commands are run as they stand, in order, against what `make serve` runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cairn.cli.demo.installation import Installation

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Step:
    """Commands and the lines that they print; `…` stands for anything."""

    commands: str
    prints: str = ""


def steps_of(page: str, besides: Sequence[str] = ()) -> list[Step]:
    """Return the commands of a page, each with the output that stands below it.

    Args:
        page: Markdown.
        besides: languages of fences that are no output.
    """
    found: list[Step] = []
    for language, text in FENCE.findall(page):
        if language == "sh":
            found.append(Step(text))
        elif language not in besides:
            assert not found[-1].prints, f"two outputs after one another: {text}"
            found[-1].prints = text
    return found


def run(steps: Sequence[Step], installation: Installation, seconds: float) -> str:
    """Run the steps in one shell, assert that each prints what it should, and return what went to stderr."""
    script = "".join(f"{step.commands}\nprintf '\\n<<<%s>>>\\n' $?\n" for step in steps)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-eu", "-o", "pipefail"],
        input=script,
        cwd=ROOT,
        env={**os.environ, **installation.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    printed = re.split(r"^<<<(\d+)>>>\n", result.stdout, flags=re.MULTILINE)
    assert len(printed) == 2 * len(steps) + 1, result.stdout + result.stderr
    for step, output, status in zip(steps, printed[::2], printed[1::2], strict=False):
        assert status == "0", f"{step.commands}\n{output}\n{result.stderr}"
        assert missing(step.prints, output) is None, f"{step.commands}\n{output}\n{result.stderr}"
    return result.stderr


def missing(expected: str, printed: str) -> str | None:
    """Return the first expected line that is not printed after those before it."""
    lines = iter(printed.splitlines())
    for wanted in expected.splitlines():
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("…")))
        if not any(pattern.fullmatch(line.rstrip()) for line in lines):
            return wanted
    return None
