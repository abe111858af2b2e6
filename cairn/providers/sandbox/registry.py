"""Sandboxes by name. There is no falling back: what was chosen is used, or nothing runs."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import cast

from cairn.providers.sandbox.model import Observed, Program, Sandbox, SandboxMissing, SandboxModule, Series
from cairn.settings import SandboxName, Settings


def default_sandbox() -> SandboxName:
    """Return the sandbox of an installation that chose none: it depends on the version of Python alone."""
    return "eryx" if sys.version_info >= (3, 12) else "monty"


def find_problem(settings: Settings) -> str | None:
    """Say why the sandbox in force cannot be used here, and what to do; None when it can."""
    return _module(settings).find_problem()


def open_sandbox(settings: Settings) -> Sandbox:
    """Return the sandbox in force.

    Raises:
        SandboxMissing: it cannot be used on this machine.
    """
    module = _module(settings)
    if problem := module.find_problem():
        raise SandboxMissing(problem)
    return module.open_sandbox()


class SandboxInForce:
    """The sandbox of an installation, which is opened when the first code comes."""

    def __init__(self, settings: Settings) -> None:
        """Take what says which one."""
        self._settings = settings
        self._sandbox: Sandbox | None = None
        self._opening = asyncio.Lock()

    async def run(self, program: Program, seconds: float, observed: Observed | None = None) -> str:
        """See :class:`Sandbox`.

        Raises:
            SandboxMissing: it cannot be used on this machine.
            CodeFailure: there is no result.
        """
        return await (await self.opened()).run(program, seconds, observed)

    def series(self) -> Series:
        """See :class:`Sandbox`."""
        return _SeriesInForce(self)

    async def opened(self) -> Sandbox:
        """Return the sandbox itself.

        Raises:
            SandboxMissing: it cannot be used on this machine.
        """
        async with self._opening:
            if self._sandbox is None:
                self._sandbox = await asyncio.to_thread(open_sandbox, self._settings)
        return self._sandbox


class _SeriesInForce:
    def __init__(self, force: SandboxInForce) -> None:
        self._force = force
        self._series: Series | None = None

    async def run(self, program: Program, seconds: float, observed: Observed | None = None) -> str:
        if self._series is None:
            self._series = (await self._force.opened()).series()
        return await self._series.run(program, seconds, observed)

    async def rest(self) -> None:
        if self._series is not None:
            await self._series.rest()


def _module(settings: Settings) -> SandboxModule:
    name = settings.sandbox or default_sandbox()
    return cast("SandboxModule", importlib.import_module(f"cairn.providers.sandbox.{name}"))
