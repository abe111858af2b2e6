"""The models of tenants, for those who call them: each call opens the one that its tenant has chosen."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from cairn.domain.credentials import Sealer
from cairn.domain.llm.service import LlmConfigService
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database
from cairn.providers.llm import LanguageModel, LanguageModels
from cairn.settings import Settings


class TenantModels:
    """Opens models with the keys of the installation or of tenants."""

    def __init__(self, database: Database, sealer: Sealer, models: LanguageModels, settings: Settings) -> None:
        """Take where choices are kept, what decrypts keys, and the installation's models."""
        self._database = database
        self._sealer = sealer
        self._models = models
        self._settings = settings

    @asynccontextmanager
    async def open(self, scope: Scope, use_case: str, named: str | None) -> AsyncGenerator[LanguageModel]:
        """Open the model that a call of the scope is to use.

        Raises:
            CairnError: as of ``LlmConfigService.choose`` and ``own_model``.
            ModelConfigError: the model cannot be used as this installation is set up.
        """
        async with self._database.transaction() as session:
            configs = LlmConfigService(session, scope, self._sealer, self._settings)
            choice = await configs.choose(use_case, named)
            own = await configs.own_model(choice)
        if own is None:
            yield await self._models.resolve(choice.model)
            return
        async with self._models.own(own) as model:
            yield model
