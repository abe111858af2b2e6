"""The process supervisor, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cairn import supervisor as module
from cairn.supervisor import Program, Supervisor


class Lines:
    """What was written."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.all.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for writer, line in self.all if writer == name]


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


def python(name: str, script: str) -> Program:
    return Program(name, [sys.executable, "-c", script])


@pytest.fixture
def lines() -> Lines:
    return Lines()


async def test_lines_have_the_name_of_their_program_whatever_the_stream(lines: Lines) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); print('no end', end='')"
    assert await Supervisor(lines).run_once(python("a", script)) == 0
    assert sorted(lines.of("a")) == ["err", "no end", "out"]


async def test_a_line_without_end_is_cut_and_bytes_that_are_no_text_pass(lines: Lines) -> None:
    script = "import sys; sys.stdout.buffer.write(b'x' * 300_000 + b'\\xff\\n')"
    await Supervisor(lines).run_once(python("a", script))
    written = lines.of("a")
    assert len("".join(written)) == 300_001
    assert max(map(len, written)) <= 2 * 64 * 1024


async def test_the_status_is_returned(lines: Lines) -> None:
    assert await Supervisor(lines).run_once(python("a", "raise SystemExit(7)")) == 7


async def test_a_dead_program_starts_again_with_longer_and_longer_pauses(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    supervisor = Supervisor(lines)
    supervisor.keep(python("a", "print('hello'); raise SystemExit(3)"))
    await until(lambda: len(lines.of("cairn")) >= 3)
    await supervisor.stop()
    assert lines.of("cairn")[:3] == [
        f"a ended (status 3); it starts again in {pause} s" for pause in ("0.01", "0.02", "0.04")
    ]
    assert lines.of("a")[:2] == ["hello", "hello"]


async def test_a_killed_program_starts_again(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    supervisor = Supervisor(lines)
    supervisor.keep(python("a", "import os, time; print(os.getpid()); time.sleep(600)"))
    await until(lambda: len(lines.of("a")) == 1)
    os.kill(int(lines.of("a")[0]), signal.SIGKILL)
    await until(lambda: len(lines.of("a")) == 2)
    assert "SIGKILL" in lines.of("cairn")[0]
    await supervisor.stop()
    assert not psutil.pid_exists(int(lines.of("a")[1]))


async def test_a_killed_program_starts_again_though_its_child_holds_the_pipe(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(os.getpid(), child.pid)\n"
        "time.sleep(60)\n"
    )
    supervisor = Supervisor(lines)
    supervisor.keep(python("a", script))
    await until(lambda: len(lines.of("a")) == 1)
    program, child = map(int, lines.of("a")[0].split())
    os.kill(program, signal.SIGKILL)
    try:
        await until(lambda: len(lines.of("a")) == 2)
    finally:
        await supervisor.stop()
        for pid in (child, *(int(line.split()[1]) for line in lines.of("a")[1:])):
            os.kill(pid, signal.SIGKILL)
    assert lines.of("cairn") == ["a ended (SIGKILL); it starts again in 0.01 s"]


async def test_programs_end_in_reverse_order(lines: Lines) -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0)))\n"
        "print('up')\n"
        "time.sleep(600)\n"
    )
    supervisor = Supervisor(lines)
    for name in ("first", "second"):
        supervisor.keep(python(name, script))
    await until(lambda: sum(line == "up" for _, line in lines.all) == 2)
    await supervisor.stop()
    assert [name for name, line in lines.all if line == "bye"] == ["second", "first"]


async def test_what_a_program_says_while_it_ends_can_be_left_out(lines: Lines) -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0)))\n"
        "print('up')\n"
        "time.sleep(600)\n"
    )
    supervisor = Supervisor(lines)
    supervisor.keep(Program("a", python("a", script).command, quiet_end=True))
    await until(lambda: bool(lines.of("a")))
    await supervisor.stop()
    assert lines.all == [("a", "up")]


async def test_one_that_ignores_the_end_is_killed(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(600)"
    supervisor = Supervisor(lines)
    supervisor.keep(python("deaf", script))
    await until(lambda: bool(lines.of("deaf")))
    await supervisor.stop()
    assert lines.of("cairn") == ["deaf does not end; it is killed"]


async def test_a_run_that_is_given_up_ends_its_program(lines: Lines) -> None:
    script = "import os, time; print(os.getpid()); time.sleep(600)"
    running = asyncio.create_task(Supervisor(lines).run_once(python("a", script)))
    await until(lambda: bool(lines.of("a")))
    running.cancel()
    await asyncio.wait({running})
    assert not psutil.pid_exists(int(lines.of("a")[0]))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel must see to it")
def test_programs_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    child = (
        "import os, time\n"
        "from cairn.orderly import die_with_parent\n"
        "die_with_parent()\n"
        "print(os.getpid())\n"
        "time.sleep(600)\n"
    )
    script = tmp_path / "supervise.py"
    script.write_text(
        "import asyncio, sys\n"
        "from cairn.supervisor import Program, Supervisor\n"
        "async def main():\n"
        "    supervisor = Supervisor(lambda name, line: print(line, flush=True))\n"
        f"    supervisor.keep(Program('child', [sys.executable, '-c', {child!r}]))\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    orphan.wait(timeout=10)
