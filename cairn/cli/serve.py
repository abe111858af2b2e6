"""``cairn serve``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING

import typer

from cairn.cli.log_format import choose_format, prefer_console
from cairn.cli.output import AsJson
from cairn.cli.setup import DEV_KEY_FILE
from cairn.ports import require_free

if TYPE_CHECKING:
    from cairn.settings import Settings
    from cairn.supervisor import Supervisor, WriteLine

_COLOURS = {"cairn": 37, "setup": 36, "temporal": 35, "worker": 33, "api": 32}


def serve(as_json: AsJson = False) -> None:
    """Run everything: a Temporal dev server (unless one is configured), the worker and the API."""
    from cairn.settings import get_settings
    from cairn.temporal.server import claim_database, find_server, require_free_ports

    choose_format(as_json) if as_json else prefer_console()
    settings = get_settings()
    source = find_server(settings)
    require_free(settings.api_host, settings.api_port, "CAIRN_API_PORT")
    if source.kind != "existing":
        require_free_ports(settings)
        os.close(claim_database(settings))  # to be told here; the server makes its own
    existing = source.where if source.kind == "existing" else None
    raise typer.Exit(asyncio.run(_serve(settings, existing, _line_writer(as_json))))


async def _serve(settings: Settings, existing: str | None, write: WriteLine) -> int:
    from cairn.supervisor import Supervisor

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    supervisor = Supervisor(write)
    starting = asyncio.create_task(_start(supervisor, settings, existing, write))
    try:
        await _first(starting, stop.wait())
        if starting.done() and starting.result():
            return starting.result()
        await stop.wait()
        return 0
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        write("cairn", "stopping")
        await supervisor.stop()


async def _start(supervisor: Supervisor, settings: Settings, existing: str | None, write: WriteLine) -> int:
    """Start all; return a status other than 0 when there is no point in going on."""
    from cairn.supervisor import Program, command_of_cairn

    if existing is None:
        supervisor.keep(Program("temporal", command_of_cairn("temporal"), quiet_end=True))
    if status := await supervisor.run_once(Program("setup", command_of_cairn("setup"))):
        return status
    if existing is None:
        await _listening(settings.temporal_port)
    supervisor.keep(Program("worker", command_of_cairn("worker")))
    supervisor.keep(Program("api", command_of_cairn("api")))
    await _listening(settings.api_port, settings.api_host)
    for line in _addresses(settings, existing):
        write("cairn", line)
    await _ready(settings)
    write("cairn", "ready; Ctrl-C stops everything")
    return 0


def _addresses(settings: Settings, existing: str | None) -> list[str]:
    api = _api(settings)
    ui = settings.temporal_ui_url or (None if existing else f"http://127.0.0.1:{settings.temporal_ui_port}")
    lines = [f"API       {api}", f"API docs  {api}/docs"]
    return [*lines, f"Temporal  {ui or existing}", f"API key   in {settings.home / DEV_KEY_FILE}"]


def _api(settings: Settings) -> str:
    host = "127.0.0.1" if settings.api_host in ("0.0.0.0", "::") else settings.api_host
    return f"http://[{host}]:{settings.api_port}" if ":" in host else f"http://{host}:{settings.api_port}"


async def _ready(settings: Settings) -> None:
    """Wait until the API finds everything that an execution needs: a worker polls, too."""
    import httpx2

    async with httpx2.AsyncClient(base_url=_api(settings), trust_env=False, timeout=10) as http:
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                if (await http.get("/ready")).is_success:
                    return
            await asyncio.sleep(0.1)


async def _listening(port: int, host: str = "127.0.0.1") -> None:
    """Wait until something listens; whoever does not want to wait on cancels."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1" if host == "0.0.0.0" else host, port)
            writer.close()
            return
        await asyncio.sleep(0.05)


async def _first(task: asyncio.Task[int], other: Awaitable[object]) -> None:
    waiting = asyncio.ensure_future(other)
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _line_writer(as_json: bool) -> WriteLine:
    colours = sys.stdout.isatty()

    def write(name: str, line: str) -> None:
        if as_json:
            text = json.dumps({"process": name, "line": line}, ensure_ascii=False)
        elif colours:
            text = f"\x1b[{_COLOURS.get(name, 37)}m{name:>8} │\x1b[0m {line}"
        else:
            text = f"{name:>8} │ {line}"
        with contextlib.suppress(BrokenPipeError):
            typer.echo(text)

    return write
