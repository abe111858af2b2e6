"""Tenants' own keys for providers of language models, and the policy that goes with them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

import httpx2
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.credentials import Sealer
from cairn.domain.llm.model import USE_CASES, Choice, Config, Mode, ProviderConfig
from cairn.domain.llm.policy import choose, unknown_model
from cairn.errors import Conflict, FieldError, InvalidInput, NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import LlmModeRow, LlmProviderRow
from cairn.persistence.types import utc_now
from cairn.providers.http import AddressRefused, refuse_private
from cairn.providers.llm.own import OwnModel
from cairn.providers.llm.probe import Probe, probe
from cairn.settings import Settings

_HINT, _LONG = 4, 12
_NOTED_EVERY = timedelta(minutes=1)


class LlmConfigService:
    """Keeps the keys and the policy of a scope within a session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, sealer: Sealer, settings: Settings) -> None:
        """Take the session, whose configuration, what encrypts keys, and what the installation allows."""
        self._session = session
        self._scope = scope
        self._sealer = sealer
        self._settings = settings
        self._providers = Repository(session, LlmProviderRow)
        self._modes = Repository(session, LlmModeRow)

    async def get(self) -> Config:
        """Return the mode and what is kept."""
        mode = await self._modes.get(self._scope)
        rows = await self._providers.all(self._scope, order=(col(LlmProviderRow.id),))
        return Config(cast("Mode", mode.mode) if mode else "platform", [ProviderConfig.of(row) for row in rows])

    async def save(
        self,
        provider: str,
        api_key: str,
        base_url: str | None = None,
        models: Sequence[str] = (),
        defaults: Mapping[str, str] | None = None,
    ) -> ProviderConfig:
        """Keep a key; what was kept for the provider before is replaced.

        Args:
            provider: one of ``BYO_PROVIDERS``.
            api_key: is encrypted and never shown again.
            base_url: where the provider is asked.
            models: the only ones that may be used; none: all.
            defaults: models of this provider by use case; they replace the defaults of other providers.

        Raises:
            InvalidInput: a base URL is missing or leads to a private address, an unknown use case, or a default that
                is not among the models.
        """
        await check_base_url(provider, base_url, self._settings)
        names = list(dict.fromkeys(_name(provider, each, f"/models/{i}") for i, each in enumerate(models)))
        mapped = {case: _default(provider, case, each, names) for case, each in (defaults or {}).items()}
        row = await self._row_of(provider)
        row.base_url, row.models, row.defaults = base_url, names, mapped
        row.key_hint = f"…{api_key[-_HINT:]}" if len(api_key) >= _LONG else "…"
        row.key_id, row.sealed = self._sealer.seal({"api_key": api_key}, _place(row))
        row.updated_at = utc_now()
        await self._take_over(row, mapped)
        await self._session.flush()
        return ProviderConfig.of(row)

    async def switch(self, mode: Mode) -> Config:
        """Set whose keys are used.

        Raises:
            Conflict: mode byok, and no key is kept (``llm_key_missing``).
        """
        if mode == "byok" and not await self._providers.count(self._scope):
            raise Conflict("Mode byok needs a key of your own: save one first.", code="llm_key_missing")
        row = await self._modes.get(self._scope, lock=True)
        if row is None:
            row = LlmModeRow(tenant=self._scope.tenant, live=self._scope.live is not False, mode=mode)
            try:
                async with self._session.begin_nested():
                    await self._modes.add(row)
            except IntegrityError:  # another request was quicker
                row = await self._modes.get(self._scope, lock=True)
        if row is not None:
            row.mode, row.updated_at = mode, utc_now()
        await self._session.flush()
        return await self.get()

    async def delete(self, config_uuid: str) -> None:
        """Remove a key and its policy. In mode byok calls are refused when it was the last one.

        Raises:
            NotFound: the scope has no such configuration (``llm_config_not_found``).
        """
        named = config_uuid if config_uuid.isascii() and config_uuid.isprintable() else ""
        row = await self._providers.get(self._scope, col(LlmProviderRow.uuid) == named, lock=True)
        if row is None:
            raise NotFound("No such LLM configuration.", code="llm_config_not_found")
        await self._session.delete(row)
        await self._session.flush()

    async def choose(self, use_case: str, model: str | None) -> Choice:
        """Return the model that a call is to use; see ``policy.choose``."""
        return choose(await self.get(), self._settings, use_case, model)

    async def own_model(self, choice: Choice) -> OwnModel | None:
        """Return the model with the tenant's key, None when it is the installation's; the use of the key is noted.

        Raises:
            NotFound: the key is gone.
            Unavailable: it is encrypted with a key that this process has not.
        """
        if choice.provider is None:
            return None
        row = await self._providers.get(self._scope, col(LlmProviderRow.uuid) == choice.provider.uuid)
        if row is None:
            raise NotFound("The key is gone.", code="llm_config_not_found")
        key = self._sealer.open(row.key_id, row.sealed, _place(row))["api_key"]
        now = utc_now()
        if row.last_used_at is None or row.last_used_at < now - _NOTED_EVERY:
            await self._note_use(row, now)
        return OwnModel(row.provider, choice.model.partition(":")[2], SecretStr(key), row.base_url)

    async def _note_use(self, row: LlmProviderRow, now: datetime) -> None:
        query = update(LlmProviderRow).where(col(LlmProviderRow.id) == row.id).values(last_used_at=now)
        await self._session.execute(query.execution_options(synchronize_session=False))

    async def _row_of(self, provider: str) -> LlmProviderRow:
        """Return the provider's row, locked, or a new one."""
        is_it = col(LlmProviderRow.provider) == provider
        row = await self._providers.get(self._scope, is_it, lock=True)
        if row is not None:
            return row
        row = LlmProviderRow(
            tenant=self._scope.tenant,
            live=self._scope.live is not False,
            uuid=str(uuid.uuid4()),
            provider=provider,
            key_hint="",
            key_id="",
            sealed=b"",
        )
        try:
            async with self._session.begin_nested():
                return await self._providers.add(row)
        except IntegrityError:  # another request was quicker
            found = await self._providers.get(self._scope, is_it, lock=True)
            if found is None:
                raise Conflict("The configuration is being changed.", retry_after=1) from None
            return found

    async def _take_over(self, row: LlmProviderRow, defaults: Mapping[str, str]) -> None:
        """A use case has one default: leave it out of the other providers' policies."""
        for other in await self._providers.all(self._scope, col(LlmProviderRow.id) != row.id):
            theirs = cast("dict[str, str]", other.defaults)
            if theirs.keys() & defaults.keys():
                other.defaults = {case: name for case, name in theirs.items() if case not in defaults}


async def try_key(provider: str, api_key: str, base_url: str | None, settings: Settings) -> Probe:
    """Ask a provider whether it takes a key, which is kept nowhere.

    Raises:
        InvalidInput: as of ``check_base_url``.
    """
    await check_base_url(provider, base_url, settings)
    return await probe(OwnModel(provider, "", SecretStr(api_key), base_url), settings)


async def check_base_url(provider: str, base_url: str | None, settings: Settings) -> None:
    """Refuse a base URL that cannot be asked.

    Raises:
        InvalidInput: it is missing, is none, or leads to a private address (``address_refused``).
    """
    if base_url is None:
        if provider == "azure":
            raise _wrong("base_url", "azure needs the base URL of its resource")
        return
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        raise _wrong("base_url", "is no URL") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise _wrong("base_url", "has to be http(s)://host[:port][/path], without user, query and fragment")
    if not settings.http_allow_private:
        try:
            await refuse_private(url.host)
        except AddressRefused as error:
            raise _wrong("base_url", str(error), "address_refused") from None


def _name(provider: str, model: str, pointer: str) -> str:
    """Return the model's name at its provider, however it is written."""
    name = model.removeprefix(f"{provider}:")
    if not name:
        raise unknown_model("a model needs a name", pointer)
    return name


def _default(provider: str, use_case: str, model: str, names: Sequence[str]) -> str:
    pointer = f"/defaults/{use_case.replace('~', '~0').replace('/', '~1')}"
    if use_case not in USE_CASES:
        known = ", ".join(USE_CASES)
        message = f"No use case {use_case!r}; there are {known}."
        raise InvalidInput(message, code="unknown_use_case", errors=[FieldError(pointer, message)])
    name = _name(provider, model, pointer)
    if names and name not in names:
        raise unknown_model(f"{model!r} is not among the models that may be used", pointer)
    return name


def _wrong(field: str, message: str, code: str | None = None) -> InvalidInput:
    return InvalidInput(f"{field}: {message}", code=code, errors=[FieldError(f"/{field}", message)])


def _place(row: LlmProviderRow) -> str:
    """A key opens in its own row alone: copied into another tenant's, it is of no use."""
    return f"{row.tenant}\0{row.live}\0llm\0{row.uuid}"
