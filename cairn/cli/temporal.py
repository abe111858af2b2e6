"""``cairn temporal``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cairn.cli.output import AsJson, show
from cairn.errors import Conflict

if TYPE_CHECKING:
    from cairn.settings import Settings
    from cairn.temporal.server import ServerSource


def temporal(
    where: Annotated[bool, typer.Option("--where", help="Only say which server would be used.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a Temporal dev server with its Web UI, or say which server would be used."""
    from cairn.settings import get_settings
    from cairn.temporal.server import claim_database, dev_server_command, find_server, require_free_ports

    settings = get_settings()
    source = find_server(settings)
    if where:
        show(asdict(source), as_json, lambda: f"{source.kind}: {source.where} ({source.reason})")
        return
    if source.kind == "existing":
        raise Conflict(f"The server at {source.where} is used; there is none to start. Unset TEMPORAL_ADDRESS first.")
    require_free_ports(settings)
    claim_database(settings)
    address = f"127.0.0.1:{settings.temporal_port}"
    ui = f"http://127.0.0.1:{settings.temporal_ui_port}"
    show({"address": address, "ui": ui, **asdict(source)}, as_json, lambda: f"Temporal at {address}, Web UI at {ui}")
    sys.stdout.flush()
    if source.kind == "download":
        asyncio.run(_serve_download(settings, source))
    else:
        os.execv(source.where, dev_server_command(source.where, settings))


async def _serve_download(settings: Settings, source: ServerSource) -> None:
    from cairn.temporal.server import start_dev_server

    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    server = await start_dev_server(settings, source)
    await stop.wait()
    await server.stop()
