"""``cairn blobs``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cairn.cli.direct import open_temporal
from cairn.cli.output import AsJson, show

if TYPE_CHECKING:
    from cairn.contracts.blobs import Swept

app = typer.Typer(help="Storage of large payloads.", no_args_is_help=True)


@app.callback()
def _group() -> None: ...


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove payloads of executions that Temporal has forgotten; workers do so once a day by themselves."""
    swept = asyncio.run(_sweep(dry_run))
    verb = "would go" if dry_run else "removed"
    show(
        {**swept.model_dump(), "dry_run": dry_run},
        as_json,
        lambda: (
            f"{swept.removed} {verb} ({swept.freed} bytes), {swept.kept} kept; those of the last days are not looked at"
        ),
    )


async def _sweep(dry_run: bool) -> Swept:
    from cairn.object_store import open_store
    from cairn.settings import get_settings
    from cairn.temporal.blob_sweep import BlobSweep

    settings = get_settings()
    async with open_temporal(settings) as client:
        return await BlobSweep(client, open_store(settings.blobs)).run(datetime.now(UTC).date(), dry_run=dry_run)
