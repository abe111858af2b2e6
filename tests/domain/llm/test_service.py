"""Tenants' keys for providers of models: who can open them, and what is noted of their use."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from cairn.domain.credentials import Sealer
from cairn.domain.llm import LlmConfigService
from cairn.domain.llm.tenant_models import TenantModels
from cairn.errors import CairnError, NotFound, Unavailable
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import LlmProviderRow
from cairn.persistence.types import utc_now
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings

ACME, OTHER = Scope("acme", True), Scope("other", True)
FIRST, SECOND = (base64.b64encode(bytes(range(n, n + 32))).decode() for n in (0, 32))
KEY = "sk-of-the-tenant-0815"


def sealer(keys: str | None = None) -> Sealer:
    return Sealer.of(Settings(secret=SecretStr("s"), credential_keys=SecretStr(keys) if keys else None))


async def save(database: Database, scope: Scope = ACME, by: Sealer | None = None, key: str = KEY) -> None:
    async with database.transaction() as session:
        service = LlmConfigService(session, scope, by or sealer(), Settings())
        await service.save("openai", key, models=["m"], defaults={"chat": "m"})
        await service.switch("byok")


async def opened(database: Database, scope: Scope = ACME, by: Sealer | None = None) -> tuple[str, str]:
    settings = Settings()
    models = TenantModels(database, by or sealer(), LanguageModels(settings), settings)
    async with models.open(scope, "chat", None) as found:
        return found.name, found.secret


async def used_at(database: Database):
    async with database.session() as session:
        return (await session.execute(select(LlmProviderRow.last_used_at))).scalar_one()  # pyright: ignore


async def test_a_call_opens_the_tenants_model_with_its_key(database: Database) -> None:
    assert await opened(database) == ("offline", "")
    await save(database)
    assert await opened(database) == ("openai:m", KEY)
    assert await opened(database, OTHER) == await opened(database, Scope("acme", False)) == ("offline", "")


async def test_keys_of_the_installation_can_be_changed(database: Database) -> None:
    await save(database)
    both = sealer(f"first:{FIRST}")
    assert (await opened(database, by=both))[1] == KEY
    await save(database, by=both, key="sk-another-one")
    assert (await opened(database, by=sealer(f"second:{SECOND},first:{FIRST}")))[1] == "sk-another-one"
    with pytest.raises(Unavailable) as unknown:
        await opened(database)
    assert unknown.value.code == "credential_key_unknown"


async def test_a_key_opens_in_its_own_row_alone(database: Database) -> None:
    await save(database)
    await save(database, OTHER, key="sk-of-the-other")
    async with database.transaction() as session:
        stolen = select(LlmProviderRow.sealed).where(LlmProviderRow.tenant == "other")  # pyright: ignore
        sealed = (await session.execute(stolen)).scalar_one()
        await session.execute(update(LlmProviderRow).where(LlmProviderRow.tenant == "acme").values(sealed=sealed))  # pyright: ignore
    with pytest.raises(CairnError) as damaged:
        await opened(database)
    assert damaged.value.code == "credential_damaged" and "sk-" not in str(damaged.value)


async def test_the_use_of_a_key_is_noted_once_a_minute(database: Database) -> None:
    await save(database)
    assert await used_at(database) is None
    await opened(database)
    first = await used_at(database)
    await opened(database)
    assert first is not None and await used_at(database) == first
    async with database.transaction() as session:
        await session.execute(update(LlmProviderRow).values(last_used_at=utc_now() - timedelta(minutes=2)))
    await opened(database)
    assert await used_at(database) > first


async def test_a_key_that_is_gone_is_not_used(database: Database) -> None:
    await save(database)
    async with database.transaction() as session:
        service = LlmConfigService(session, ACME, sealer(), Settings())
        choice = await service.choose("chat", None)
        (kept,) = (await service.get()).providers
        await service.delete(kept.uuid)
        with pytest.raises(NotFound):
            await service.own_model(choice)
