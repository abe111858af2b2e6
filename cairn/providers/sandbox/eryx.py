"""The sandbox ``eryx``: CPython compiled to WebAssembly, one instance a run.

The instance has no files but Python's library, no network, no processes and no environment. It runs in a process of its
own: code can overflow the native stack of the WebAssembly runtime, which ends the whole process, and only a process can
be stopped at any time.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from functools import cached_property
from pathlib import Path

from cairn.providers.sandbox.model import Observed, Program, Sandbox, Series
from cairn.providers.sandbox.process import exchange, processes_at_once

_CHILD = Path(__file__).with_name("eryx_child.py")


def find_problem() -> str | None:
    """Say what is missing."""
    if importlib.util.find_spec("eryx") is None:
        return (
            f"The sandbox eryx is not installed (it needs Python 3.12 or newer; this is {sys.version.split()[0]}): "
            "install pyeryx, or choose another one by CAIRN_SANDBOX"
        )
    return None


def open_sandbox() -> Sandbox:
    """Return the sandbox."""
    return Eryx()


class Eryx:
    """Runs each program in a fresh instance in a fresh process."""

    @cached_property
    def _places(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(processes_at_once())

    async def run(self, program: Program, seconds: float, observed: Observed | None = None) -> str:
        """See :class:`Sandbox`."""
        async with self._places:
            return await exchange(
                [sys.executable, "-I", str(_CHILD), str(os.getpid())], program.to_json().encode(), seconds, observed
            )

    def series(self) -> Series:
        """See :class:`Sandbox`. Each program has a process of its own in a series, too."""
        return self

    async def rest(self) -> None:
        """See :class:`Series`."""
