"""Language models for a tenant: its own keys, whose keys are used, and the policy."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from api.agentflow.conventions import Error
from api.agentflow.deps import LlmConfigs
from api.agentflow.schemas.llm_config import (
    LlmConfig,
    ProviderConfig,
    SaveProvider,
    SwitchMode,
    TestedKey,
    TestKey,
)
from api.agentflow.schemas.models import ModelOptions
from api.kit.auth import may
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from cairn.domain.llm.offered import offered_models
from cairn.domain.llm.service import try_key

router = APIRouter(prefix="/api/v1/llm/config", tags=["llm config"], route_class=SurfaceRoute)
READ, WRITE = may("llm-config:read"), may("llm-config:write")
NO_KEY: dict[int | str, dict[str, Any]] = {409: {"model": Error, "description": "No key is kept (`llm_key_missing`)."}}


@router.get("", dependencies=[READ])
async def get_llm_config(configs: LlmConfigs) -> LlmConfig:
    """Read whose keys are used, the keys by their hints, and the policy."""
    return LlmConfig.of(await configs.get())


@router.post("", status_code=201, dependencies=[WRITE], openapi_extra=makes("config_uuid", "uuid"))
async def save_llm_provider(body: SaveProvider, configs: LlmConfigs) -> ProviderConfig:
    """Keep a provider's key, encrypted, and the policy for its models. It is used in mode `byok`.

    A provider has one key: saving another one replaces it, its models and its defaults. A use case has one default.
    """
    kept = await configs.save(body.provider, body.api_key, body.base_url, body.models or (), body.defaults)
    return ProviderConfig.of(kept)


@router.put("/mode", dependencies=[WRITE], responses=NO_KEY)
async def switch_llm_mode(body: SwitchMode, configs: LlmConfigs) -> LlmConfig:
    """Switch between the installation's keys and the tenant's own; the next call uses them."""
    return LlmConfig.of(await configs.switch(body.mode))


@router.get("/model-options", dependencies=[READ])
async def list_llm_model_options(configs: LlmConfigs, request: Request) -> ModelOptions:
    """List the models that can be used now, and the use cases that defaults can be set for."""
    config = await configs.get()
    offered = await asyncio.to_thread(offered_models, config, request.app.state.context.settings)
    return ModelOptions.of(offered, config.defaults)


@router.post("/test-key", dependencies=[WRITE])
async def test_llm_key(body: TestKey, request: Request) -> TestedKey:
    """Ask the provider whether it takes a key. The key is not kept anywhere, which is why no worker is asked to do it.

    A key that is refused, or a provider that does not answer, is `valid: false` with the reason in `error`.
    """
    settings = request.app.state.context.settings
    return TestedKey.of(await try_key(body.provider, body.api_key, body.base_url, settings))


@router.delete("/{config_uuid}", status_code=204, dependencies=[WRITE])
async def delete_llm_provider(config_uuid: str, configs: LlmConfigs) -> None:
    """Remove a key and its policy at once. In mode `byok` calls are a 409 when no key is left."""
    await configs.delete(config_uuid)
