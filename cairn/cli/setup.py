"""What serving needs before it starts: the database's schema and a first API key."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from cairn.cli.findings import mcp, require_usable
from cairn.cli.output import AsJson, show

if TYPE_CHECKING:
    from cairn.settings import Settings

DEV_KEY_FILE = "dev-key"


def setup(as_json: AsJson = False) -> None:
    """Migrate the database and make the first API key."""
    from cairn.settings import get_settings

    settings = get_settings()
    require_usable(settings, mcp)
    key = asyncio.run(prepare(settings))
    file = settings.home / DEV_KEY_FILE
    made = f"API key {key} (shown once; kept in {file})"
    show({"key": key, "file": str(file)}, as_json, lambda: made if key else f"The API key is in {file}")


async def prepare(settings: Settings) -> str | None:
    """Migrate the database and see to it that ``$CAIRN_HOME/dev-key`` (mode 600) holds a key that works.

    Returns:
        The key when it was made now: live, of tenant ``default``, with every scope, on every surface. Else None.
    """
    from cairn.domain.keys import KeyService, authenticate, load_secret
    from cairn.errors import Unauthenticated
    from cairn.persistence import migrate
    from cairn.persistence.session import Database, create_engine

    file = settings.home / DEV_KEY_FILE
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    await migrate.upgrade_async(settings.database)
    database = Database(create_engine(settings.database))
    try:
        async with database.transaction() as session:
            secret = load_secret(settings)
            try:
                await authenticate(await session.connection(), secret, file.read_text().strip())
                return None
            except (FileNotFoundError, Unauthenticated):
                _, key = await KeyService(session, secret).create(
                    "default", name="development", user_id="developer", kind="human"
                )
        # After the commit: a key that is in the file is one that works.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(key + "\n")
        return key
    finally:
        await database.dispose()
