"""Requests to Cairn's API: what each takes, and what the programs do meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sides import names, profiling, workers
from sides.cpu import Cpu
from sides.plan import Plan, say

STARTS = {"start": names.POST, "bare": names.BARE}
SECONDS = 10
"""For which starts are made to see what they cost."""


class Unanswered(RuntimeError):
    """A request was not answered as it should be."""


class Requests:
    """Measures an installation."""

    def __init__(self, plan: Plan, where: str, environment: Mapping[str, str], folder: Path) -> None:
        """Take the plan, whose figures it adds to, and the installation."""
        self._plan = plan
        self._where = where
        self._environment = environment
        self._folder = folder

    async def measure(self, count: int, rows: int, seconds: int, pictures: Path) -> None:
        """Measure each kind of request, then what starts cost the processor, and what the API does in them.

        Args:
            count: of each kind.
            rows: of the list.
            seconds: for which starts are made, and made again while py-spy looks at the API.
            pictures: folder that gets the flame graph.
        """
        found = self._plan.found
        try:
            for kind, name in STARTS.items():
                cpu = Cpu(self._folder)
                made = await self._ask(kind, seconds)
                found.requests_cpu.setdefault(self._where, {})[name] = cpu.since(made)
            say(f"ms of the processor, {self._where}: {found.requests_cpu[self._where]}")
            await self._profile(seconds * 2, pictures)
            found.requests[self._where] = await self._ask("measure", count, rows)
            say(f"requests, {self._where}: {found.requests[self._where]}")
        except Unanswered:
            self._plan.fail(self._where, f"requests to Cairn, {self._where}")

    async def _profile(self, seconds: int, pictures: Path) -> None:
        process = workers.first(names.CAIRNS_API, self._environment, self._folder)
        starts = asyncio.create_task(self._ask("start", seconds + 2))
        title, picture = f"{names.CAIRNS_API}, {self._where}", profiling.picture("api", self._where)
        try:
            self._plan.found.api[self._where] = await profiling.look(title, process, seconds, pictures, picture)
        except profiling.Unseen as error:
            self._plan.fail(self._where, f"profile of the API, {self._where}: {error}")
        finally:
            await starts

    async def _ask(self, *told: str | int) -> Any:
        program = str(Path(__file__).with_name("run_requests.py"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, program, *map(str, told)),
            env={**os.environ, **self._environment},
            stdout=asyncio.subprocess.PIPE,
        )
        answer, _ = await process.communicate()
        if process.returncode:
            raise Unanswered(*told)
        return json.loads(answer)
