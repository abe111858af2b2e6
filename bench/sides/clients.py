"""Many clients at once, by wrk: the system's packages have it, and it leaves the cores to the server."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from cairn.contracts.json import JsonObject

CLIENTS = 50
SECONDS = 10
PATIENCE = 30
"""Seconds after which wrk counts an answer as missing."""

_SCRIPT = Path(__file__).with_suffix(".lua")


def available() -> bool:
    """Return whether wrk is installed."""
    return shutil.which("wrk") is not None


async def ask(url: str, headers: Mapping[str, str], body: JsonObject | None = None) -> dict[str, float]:
    """Return milliseconds (``p50``, ``p99``) and requests ``per_second`` of fifty clients that ask again and again.

    Args:
        url: what is asked; with a body by POST, else by GET.
        headers: of each request.
        body: JSON.

    Raises:
        RuntimeError: wrk failed, or an answer told no success.
    """
    options = {"threads": 1, "connections": CLIENTS, "duration": SECONDS, "timeout": PATIENCE, "script": _SCRIPT}
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    given += [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    told = ["--", json.dumps(body)] if body else []
    process = await asyncio.create_subprocess_exec("wrk", *given, url, *told, stdout=asyncio.subprocess.PIPE)
    printed = (await process.communicate())[0].decode()
    found = json.loads(next((line for line in printed.splitlines() if line.startswith("{")), "{}"))
    if process.returncode or not found or found.pop("failed"):
        raise RuntimeError(f"{url}: {printed}")
    return found
