"""The end of processes: the right status every time, and nothing lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("return None", 0, ""),
        ("return 3", 3, ""),
        ("sys.exit(4)", 4, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('no such thing')", 1, "no such thing"),
        ("raise KeyboardInterrupt", 130, ""),
        ("raise ValueError('broken')", 1, "ValueError: broken"),
    ],
)
def test_the_status_is_that_of_the_program_and_exit_handlers_run(body: str, status: int, said: str) -> None:
    script = f"""
import atexit, sys
from cairn.orderly import run
def main():
    atexit.register(lambda: print("handled"))
    print("worked", end=" ")
    {body}
run(main)
"""
    result = python("-c", script)
    assert (result.returncode, result.stdout) == (status, "worked handled\n")
    assert said in result.stderr


def test_a_reader_that_went_away_changes_nothing() -> None:
    script = "from cairn.orderly import run; run(lambda: print('x' * 100_000))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("test", "status", "closing"),
    [
        ("def test_one(): pass", 0, "1 passed"),
        ("def test_one(): assert 0", 1, "1 failed"),
        ("", 5, "no tests ran"),
    ],
)
def test_pytest_ends_with_its_closing_line_and_its_status(tmp_path: Path, test: str, status: int, closing: str) -> None:
    file = tmp_path / "test_one.py"
    file.write_text(test)
    result = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--confcutdir=.", "-c", "pyproject.toml",
                    "--rootdir=.", "-p", "tests.conftest", str(file))  # fmt: skip
    assert result.returncode == status, result.stdout + result.stderr
    assert closing in result.stdout.splitlines()[-1]
