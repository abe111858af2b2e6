"""Credentials: what is kept, what is shown, and who can open it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from cairn.domain.credentials import CredentialService, Sealer
from cairn.errors import CairnError, Conflict, InvalidInput, NotFound, Unavailable
from cairn.observability.redaction import hidden
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import CredentialRow
from cairn.providers.request_secrets import in_headers
from cairn.settings import Settings

ACME = Scope("acme", True)
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(32, 64))).decode()


def sealer(keys: str | None = None, secret: str = "s") -> Sealer:
    return Sealer.of(Settings(secret=SecretStr(secret), credential_keys=SecretStr(keys) if keys else None))


async def make(database: Database, by: Sealer, kind: str = "bearer_token", secret=None, name: str = "n", scope=ACME):
    async with database.transaction() as session:
        return await CredentialService(session, scope, by).create(
            name, kind, {"token": "hush-hush"} if secret is None else secret
        )


async def headers(database: Database, by: Sealer, uuid: str, scope: Scope = ACME) -> dict[str, str]:
    async with database.session() as session:
        return await CredentialService(session, scope, by).headers(uuid)


async def test_a_secret_comes_back_as_a_header_and_is_nowhere_in_the_database(database: Database) -> None:
    by = sealer()
    made = await make(database, by)
    assert await headers(database, by, made.uuid) == {"Authorization": "Bearer hush-hush"}
    async with database.session() as session:
        row = (await session.execute(select(CredentialRow))).scalar_one()
    assert "hush" not in repr(row.model_dump()) and b"hush" not in row.sealed
    assert "hush" not in repr(made)


@pytest.mark.parametrize(
    ("kind", "secret", "sent"),
    [
        ("none", {}, {}),
        ("api_key", {"api_key": "k"}, {"X-API-Key": "k"}),
        ("api_key", {"api_key": "k", "header_name": "Api-Key"}, {"Api-Key": "k"}),
        ("basic_auth", {"username": "Jörg", "password": "a:b"}, {"Authorization": "Basic SsO2cmc6YTpi"}),
        ("custom_header", {"header_name": "X-Own", "header_value": "v w"}, {"X-Own": "v w"}),
    ],
)
async def test_each_kind_has_its_header(database: Database, kind: str, secret: dict, sent: dict[str, str]) -> None:
    by = sealer()
    assert await headers(database, by, (await make(database, by, kind, secret)).uuid) == sent


@pytest.mark.parametrize(
    ("kind", "secret", "pointer"),
    [
        ("bearer_token", {}, "/credential_data/token"),
        ("bearer_token", {"token": "a\r\nX-Evil: 1"}, "/credential_data/token"),
        ("bearer_token", {"token": "very-secret", "more": 1}, "/credential_data/more"),
        ("custom_header", {"header_name": "a b", "header_value": "v"}, "/credential_data/header_name"),
        ("basic_auth", {"username": "a:b", "password": ""}, "/credential_data/username"),
        ("api_key", {"api_key": 5}, "/credential_data/api_key"),
    ],
)
async def test_data_of_another_kind_is_refused_without_being_repeated(
    database: Database, kind: str, secret: dict, pointer: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await make(database, sealer(), kind, secret)
    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert "secret" not in str(refused.value.errors) and "Evil" not in str(refused.value.errors)


async def test_others_have_it_not(database: Database) -> None:
    by = sealer()
    made = await make(database, by)
    for scope in (Scope("other", True), Scope("acme", False)):
        with pytest.raises(NotFound):
            await headers(database, by, made.uuid, scope)
        async with database.session() as session:
            assert await CredentialService(session, scope, by).list() == []


async def test_a_ciphertext_copied_to_another_tenants_row_does_not_open(database: Database) -> None:
    by = sealer()
    mine, theirs = await make(database, by), await make(database, by, scope=Scope("other", True))
    async with database.transaction() as session:
        row = (await session.execute(select(CredentialRow).where(CredentialRow.uuid == mine.uuid))).scalar_one()
        await session.execute(update(CredentialRow).where(CredentialRow.uuid == theirs.uuid).values(sealed=row.sealed))
    with pytest.raises(CairnError) as damaged:
        await headers(database, by, theirs.uuid, Scope("other", True))
    assert damaged.value.code == "credential_damaged"


async def test_keys_are_changed_without_losing_what_older_ones_sealed(database: Database) -> None:
    first = await make(database, sealer(), name="by the installation's secret")
    second = await make(database, sealer(f"a:{KEY}"), name="by a")
    later = sealer(f"b:{OTHER},a:{KEY}")
    for made in (first, second):
        assert await headers(database, later, made.uuid) == {"Authorization": "Bearer hush-hush"}
    async with database.transaction() as session:
        await CredentialService(session, ACME, later).update(second.uuid, secret={"token": "new"})
    assert await headers(database, sealer(f"b:{OTHER}"), second.uuid) == {"Authorization": "Bearer new"}
    with pytest.raises(Unavailable) as unknown:
        await headers(database, sealer(secret="another"), first.uuid)
    assert unknown.value.code == "credential_key_unknown"


def test_an_installation_without_settings_has_a_key_of_its_own(tmp_path: Path) -> None:
    home = Settings(home=tmp_path)
    assert Sealer.of(home).open(*Sealer.of(home).seal({"a": "ü"}, "p"), "p") == {"a": "ü"}
    with pytest.raises(InvalidInput):
        Sealer.of(Settings(home=tmp_path, credential_keys=SecretStr("plain")))


async def test_a_name_is_taken_once_and_free_after_deletion(database: Database) -> None:
    by = sealer()
    made = await make(database, by)
    with pytest.raises(Conflict):
        await make(database, by)
    another = await make(database, by, name="m")
    async with database.transaction() as session:
        service = CredentialService(session, ACME, by)
        with pytest.raises(Conflict):
            await service.update(another.uuid, name="n")
    async with database.transaction() as session:
        await CredentialService(session, ACME, by).delete(made.uuid)
    with pytest.raises(NotFound):
        await headers(database, by, made.uuid)
    await make(database, by)


async def test_a_new_kind_needs_a_new_secret(database: Database) -> None:
    by = sealer()
    made = await make(database, by)
    async with database.transaction() as session:
        service = CredentialService(session, ACME, by)
        with pytest.raises(InvalidInput):
            await service.update(made.uuid, kind="api_key")
    async with database.transaction() as session:
        service = CredentialService(session, ACME, by)
        changed = await service.update(made.uuid, kind="api_key", secret={"api_key": "k"}, description="d")
        assert (changed.kind, changed.description, changed.name) == ("api_key", "d", "n")
        assert changed.updated_at > made.updated_at
    assert await headers(database, by, made.uuid) == {"X-API-Key": "k"}


@pytest.mark.parametrize("said", ["a/b+ü", r"a/b+\u00fc", r"a\/b+\u00fc"])
def test_a_secret_is_concealed_however_a_server_writes_it(said: str) -> None:
    encoded = base64.b64encode("ann:a/b+ü".encode()).decode()
    told = hidden(f'ann: "{said}", {encoded}', in_headers({"Authorization": f"Basic {encoded}"}))
    assert told == 'ann: "…", …'
