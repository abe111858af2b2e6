"""Whether the secrets of this installation are those that its database was written with: for ``cairn doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairn.cli.findings import Finding

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from cairn.settings import Settings


async def secrets(settings: Settings) -> list[Finding]:
    """Compare the secret and the keys for credentials with a migrated database. Makes none that is missing."""
    from cairn.persistence.session import Database, create_engine

    database = Database(create_engine(settings.database))
    try:
        async with database.session() as session:
            found = [await _secret(settings, session), await _credentials(settings, session)]
    finally:
        await database.dispose()
    return [finding for finding in found if finding is not None]


async def _secret(settings: Settings, session: AsyncSession) -> Finding | None:
    from sqlalchemy import select
    from sqlmodel import col

    from cairn.domain.keys import secret_source
    from cairn.persistence.tables import ApiKeyRow

    if source := secret_source(settings):
        return Finding("secret", "ok", source)
    if (await session.execute(select(col(ApiKeyRow.id)).limit(1))).first() is None:
        return None  # a fresh installation, which makes one
    return Finding(
        "secret",
        "missing",
        "the one that the API keys of the database were made with is not here; another one refuses them all",
        "Set CAIRN_SECRET, or put the file `secret` back into CAIRN_HOME.",
    )


async def _credentials(settings: Settings, session: AsyncSession) -> Finding | None:
    from cairn.domain.credentials import Sealer, keys_in_use
    from cairn.domain.keys import secret_source

    used = await keys_in_use(session)
    if not used or secret_source(settings) is None:
        return None
    known = Sealer.of(settings).key_ids
    if unknown := sorted(used.keys() - known):
        found = f"encrypted with keys that are not here: {', '.join(unknown)}"
        return Finding("credentials", "missing", found, "Correct CAIRN_SECRET or CAIRN_CREDENTIAL_KEYS.")
    counts = ", ".join(f"{name}: {used[name]}" for name in sorted(used))
    return Finding("credentials", "ok", f"encrypted, by the id of the key: {counts}")
