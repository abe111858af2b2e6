"""API keys."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from cairn.domain import keys
from cairn.domain.keys import PREFIXES, KeyService, load_secret
from cairn.domain.principal import Principal
from cairn.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import ApiKeyRow
from cairn.persistence.types import utc_now
from cairn.settings import Settings

SECRET = b"secret of the tests"


async def make(database: Database, tenant: str = "acme", **values: object) -> tuple[ApiKeyRow, str]:
    async with database.transaction() as session:
        return await KeyService(session, SECRET).create(tenant, **values)


async def authenticate(database: Database, token: str, secret: bytes = SECRET) -> Principal:
    async with database.connection() as connection:
        return await keys.authenticate(connection, secret, token)


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_key_tells_who_calls(sqlite_url: str, prefix: str) -> None:
    database = Database(create_engine(sqlite_url))
    row, token = await make(
        database, prefix=prefix, scopes=["executions:read", "graphs:write"], user_id="ada", kind="human", name="laptop"
    )
    principal = await authenticate(database, token)
    live = prefix != "omf_test_"
    scopes = frozenset({"executions:read", "graphs:write"})
    assert principal == Principal("acme", live, scopes, "ada", "human", row.id)
    assert principal.scope == Scope("acme", live)
    assert token.startswith(row.prefix) and row.prefix.startswith(prefix)
    await database.dispose()


async def test_the_key_itself_is_not_kept(database: Database) -> None:
    _, token = await make(database)
    async with database.session() as session:
        row = (await session.execute(select(ApiKeyRow))).scalar_one()
    hidden = token.removeprefix(row.prefix)
    assert len(hidden) >= 32
    assert all(hidden not in str(value) for value in row.model_dump().values())
    assert len(row.hash) == 32


async def test_wrong_keys_are_refused(database: Database) -> None:
    row, token = await make(database)
    last = "a" if token[-1] != "a" else "b"
    wrong = [
        token[:-1] + last,
        token + "a",
        token[:-1],
        row.prefix,
        "omium_" + "a" * 44,
        "other_" + "a" * 44,
        "",
        "omium_",
        "ü",
        "\ud800",
        "omium_" + "\x00" * 44,
        token.swapcase(),
        " " + token,
    ]
    for text in wrong:
        with pytest.raises(Unauthenticated):
            await authenticate(database, text)
    with pytest.raises(Unauthenticated):
        await authenticate(database, token, b"another installation")
    assert (await authenticate(database, token)).key_id == row.id


async def test_a_key_ends_when_it_expires(database: Database) -> None:
    soon = datetime.now(timezone(timedelta(hours=5))) + timedelta(hours=1)
    row, token = await make(database, expires_at=soon)
    await authenticate(database, token)
    async with database.transaction() as session:
        await session.execute(update(ApiKeyRow).values(expires_at=utc_now() - timedelta(microseconds=1)))
    with pytest.raises(Unauthenticated):
        await authenticate(database, token)
    assert row.expires_at == soon


async def test_a_revocation_holds_at_once_in_every_process(database: Database, database_url: str) -> None:
    row, token = await make(database)
    other = Database(create_engine(database_url))
    await authenticate(other, token)
    async with database.transaction() as session:
        revoked = await KeyService(session, SECRET).revoke("acme", row.prefix)
    first = revoked.revoked_at
    for process in (database, other):
        with pytest.raises(Unauthenticated):
            await authenticate(process, token)
    async with database.transaction() as session:
        assert (await KeyService(session, SECRET).revoke("acme", row.id)).revoked_at == first
    await other.dispose()


async def test_keys_of_other_tenants_do_not_exist(database: Database) -> None:
    row, token = await make(database)
    test, _ = await make(database, prefix="omf_test_")
    theirs, _ = await make(database, "rival")
    async with database.transaction() as session:
        service = KeyService(session, SECRET)
        assert [key.id for key in await service.list("acme")] == [test.id, row.id]
        assert [key.id for key in await service.list("rival")] == [theirs.id]
        for name in (row.id, row.prefix, "nothing"):
            with pytest.raises(NotFound):
                await service.revoke("rival", name)
    await authenticate(database, token)


async def test_use_is_noted_once_a_minute(database: Database) -> None:
    row, _ = await make(database)

    async def note() -> datetime | None:
        async with database.transaction() as session:
            await KeyService(session, SECRET).note_use(row.id)
        async with database.session() as session:
            return (await session.get_one(ApiKeyRow, row.id)).last_used_at

    first = await note()
    assert first is not None
    assert await note() == first
    async with database.transaction() as session:
        await session.execute(update(ApiKeyRow).values(last_used_at=first - timedelta(seconds=61)))
    again = await note()
    assert again is not None and again > first


async def test_every_wrong_argument_is_named(database: Database) -> None:
    with pytest.raises(InvalidInput) as refused:
        await make(
            database,
            "no dots.",
            prefix="sk_",
            scopes=["all", "executions:read"],
            expires_at=datetime(2026, 1, 1),  # noqa: DTZ001
        )
    assert [error.pointer for error in refused.value.errors] == ["/tenant", "/prefix", "/scopes", "/expires_at"]
    for values in ({"prefix": "omf_test_", "live": True}, {"prefix": "omf_live_", "live": False}, {"scopes": []}):
        with pytest.raises(InvalidInput):
            await make(database, **values)
    row, token = await make(database, live=False, expires_at=datetime(2999, 1, 1, tzinfo=UTC))
    assert not (await authenticate(database, token)).live
    assert row.prefix.startswith("omium_")


def test_scopes() -> None:
    def holder(*scopes: str) -> Principal:
        return Principal("acme", True, frozenset(scopes), None, "service", "k1")

    assert holder("executions:read").allows("executions:read")
    assert holder("*").allows("graphs:write")
    assert holder("*").author == "k1"
    with pytest.raises(Forbidden) as refused:
        holder("executions:read").require("executions:write")
    assert refused.value.extra == {"required_scope": "executions:write"}


def test_the_secret_of_the_settings_is_taken(tmp_path: Path) -> None:
    assert load_secret(Settings(home=tmp_path, secret=SecretStr("given"))) == b"given"
    assert not (tmp_path / "secret").exists()


def test_processes_that_start_at_once_make_one_secret(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    code = (
        "import sys; from pathlib import Path; from cairn.domain.keys.secret import load_secret;"
        "from cairn.settings import Settings; print(load_secret(Settings(home=Path(sys.argv[1]))).decode())"
    )
    command = [sys.executable, "-c", code, str(home)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    secrets = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert len(secrets) == 1
    assert len(secrets.pop()) == 64
    assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600
    assert [file.name for file in home.iterdir()] == ["secret"]
