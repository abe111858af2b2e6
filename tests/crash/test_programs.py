"""Programs that are hurt do not outlive who hurts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

STARTER = """
import functools, os, sys, time
from pathlib import Path
from chaos.programs import Program, become

sleep = functools.partial(become, [sys.executable, "-S", "-c", "print(flush=True); import time; time.sleep(600)"])
programs = [Program(name, [], dict(os.environ), Path(sys.argv[1]) / name, sleep) for name in ("runs", "frozen")]
for program in programs:
    program.start()
while not all(program.log.exists() and program.log.stat().st_size for program in programs):
    time.sleep(0.02)
programs[1].freeze()
print(*[program.pid for program in programs], flush=True)
time.sleep(600)
"""


@pytest.mark.timeout(180)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel must see to it")
def test_programs_end_with_their_starter_that_is_killed_also_frozen_ones(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        left = [psutil.Process(int(each)) for each in starter.stdout.readline().split()]
        assert len(left) == 2
        starter.kill()
    try:
        _, still = psutil.wait_procs(left, timeout=60)
        assert still == []
    finally:
        for each in left:
            if each.is_running():
                each.kill()
