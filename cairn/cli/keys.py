"""``cairn keys``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairn.cli.output import AsJson, columns, show

if TYPE_CHECKING:
    from cairn.domain.keys import KeyService
    from cairn.persistence.tables import ApiKeyRow

app = typer.Typer(help="API keys.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option(help="Whose data the key opens.")]


@app.command()
def create(
    tenant: Tenant = "default",
    name: Annotated[str, typer.Option(help="For people.")] = "",
    prefix: Annotated[str, typer.Option(help="How the key begins; says for which API it is.")] = "omium_",
    scope: Annotated[list[str] | None, typer.Option(help="What it allows; all when none is given.")] = None,
    days: Annotated[float | None, typer.Option(help="How long it holds; for ever by default.")] = None,
    user: Annotated[str | None, typer.Option(help="Whom it stands for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once."""
    expires = datetime.now(UTC) + timedelta(days=days) if days is not None else None

    async def make() -> tuple[ApiKeyRow, str]:
        async with _service() as service:
            return await service.create(
                tenant, name=name, prefix=prefix, scopes=scope or ["*"], user_id=user, expires_at=expires
            )

    row, key = asyncio.run(make())
    show({**_document(row), "key": key}, as_json, lambda: f"{key}\nThis is shown once. Id: {row.id}")


@app.command("list")
def list_(tenant: Tenant = "default", as_json: AsJson = False) -> None:
    """List the keys of a tenant, newest first."""

    async def rows() -> list[ApiKeyRow]:
        async with _service() as service:
            return list(await service.list(tenant))

    found = [_document(row) for row in asyncio.run(rows())]
    shown = ("prefix", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at", "id")
    table = [[head.replace("_at", "") for head in shown]]
    table += [[_cell(document[head]) for head in shown] for document in found]
    show(found, as_json, lambda: columns(table) if found else f"Tenant {tenant} has no keys.")


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, or its public beginning.")],
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """End a key for good."""

    async def end() -> ApiKeyRow:
        async with _service() as service:
            return await service.revoke(tenant, key)

    row = asyncio.run(end())
    show(_document(row), as_json, lambda: f"{row.prefix}… is revoked.")


@asynccontextmanager
async def _service() -> AsyncGenerator[KeyService]:
    from cairn.domain.keys import KeyService, load_secret
    from cairn.persistence.session import Database, create_engine
    from cairn.settings import get_settings

    settings = get_settings()
    database = Database(create_engine(settings.database))
    try:
        await database.ping()  # before a secret is made for one that there is not
        async with database.transaction() as session:
            yield KeyService(session, load_secret(settings))
    finally:
        await database.dispose()


def _document(row: ApiKeyRow) -> dict[str, Any]:
    names = ("id", "prefix", "tenant", "live", "name", "scopes", "user_id", "created_at", "expires_at")
    return {name: getattr(row, name) for name in (*names, "revoked_at", "last_used_at")}


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return ",".join(value) if isinstance(value, list) else str(value or "-")  # pyright: ignore
