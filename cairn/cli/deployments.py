"""``cairn deployments``: versions of the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cairn.cli.direct import open_temporal
from cairn.cli.output import AsJson, columns, show
from cairn.errors import InvalidInput

if TYPE_CHECKING:
    from cairn.temporal.deployments import DeploymentClient, Version

T = TypeVar("T")

app = typer.Typer(help="Versions of the workers: see them, choose where new executions go.", no_args_is_help=True)

BuildId = Annotated[str | None, typer.Argument(help="Version; default: CAIRN_BUILD_ID.", show_default=False)]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the versions, newest first, with the executions that are pinned to them and still run."""
    _show(as_json)


@app.command("set-current")
def set_current(
    build_id: BuildId = None,
    unversioned: Annotated[bool, typer.Option("--unversioned", help="Workers without a version.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also when no worker of it polls.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have new executions begin with a version; those that run end with the one that began them."""
    if unversioned and build_id is not None:
        raise typer.BadParameter("names a version, and --unversioned none", param_hint="BUILD_ID")
    chosen = None if unversioned else _chosen(build_id)
    _ask(lambda client: client.set_current(chosen, allow_no_pollers=force))
    _show(as_json)


@app.command()
def ramp(
    build_id: Annotated[str, typer.Argument(help="Version.")],
    percentage: Annotated[float, typer.Argument(min=0, max=100, help="Part of the new executions; 0 ends the ramp.")],
    as_json: AsJson = False,
) -> None:
    """Send a part of the new executions to a version."""
    _ask(lambda client: client.ramp(build_id, percentage))
    _show(as_json)


def _chosen(build_id: str | None) -> str:
    from cairn.settings import get_settings

    chosen = build_id or get_settings().build_id
    if not chosen:
        raise InvalidInput("Name a version, or set CAIRN_BUILD_ID.")
    return chosen


def _ask(call: Callable[[DeploymentClient], Awaitable[T]]) -> T:
    from cairn.settings import get_settings
    from cairn.temporal.deployments import DeploymentClient

    async def ask() -> T:
        settings = get_settings()
        async with open_temporal(settings) as client:
            return await call(DeploymentClient(client, settings))

    return asyncio.run(ask())


def _show(as_json: bool) -> None:
    versions = _ask(lambda client: client.versions())
    show({"versions": [asdict(version) for version in versions]}, as_json, lambda: _table(versions))


def _table(versions: list[Version]) -> str:
    if not versions:
        return "No versions. CAIRN_BUILD_ID gives a worker one."
    rows = [["version", "status", "running", "since"]]
    for each in versions:
        share = f" {each.percentage:g} %" if each.percentage is not None else ""
        rows.append([each.build_id, each.status + share, str(each.running), f"{each.created_at:%Y-%m-%d %H:%M}"])
    return columns(rows)
