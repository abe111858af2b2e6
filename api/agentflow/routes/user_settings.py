"""Settings of the user that the key stands for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header

from api.agentflow.conventions import Error
from api.agentflow.schemas.user_settings import ResetSettings, SettingsPatch, SettingsReply
from api.kit.auth import may
from api.kit.deps import SettingsService
from api.kit.route import SurfaceRoute
from cairn.domain.user_settings import SettingsOfUser, UserSettings
from cairn.persistence.types import number_of

router = APIRouter(prefix="/api/v1/settings", tags=["settings"], route_class=SurfaceRoute)
READ, WRITE = may("settings:read"), may("settings:write")
STALE: dict[int | str, dict[str, Any]] = {
    409: {"model": Error, "description": "The settings are at another version than `If-Match` says."}
}
Patch = Annotated[
    SettingsPatch,
    Body(
        openapi_examples={
            "change": {"value": {"appearance": {"theme": "dark"}, "locale": {"language": "de"}}},
            "back to the default": {"value": {"locale": {"language": None}}},
            "of an application": {"value": {"sidebar": {"collapsed": True}}},
        }
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern=r'^(W/)?"?[0-9]{1,9}"?$',
        description="The `version` that was read: when it is not the present one, nothing is changed.",
    ),
]


@router.get("", response_model=SettingsReply, dependencies=[READ])
async def get_settings(settings: SettingsService) -> SettingsOfUser:
    """Read the user's settings, over the defaults."""
    return await settings.get()


@router.patch("", response_model=SettingsReply, dependencies=[WRITE], responses=STALE)
async def patch_settings(body: Patch, settings: SettingsService, if_match: IfMatch = None) -> SettingsOfUser:
    """Change settings by a JSON merge patch; it is taken whole or not at all."""
    version = None if if_match is None else number_of(if_match.removeprefix("W/").strip('"'))
    return await settings.patch(body.root, version)


@router.post("/reset", response_model=SettingsReply, dependencies=[WRITE])
async def reset_settings(settings: SettingsService, body: ResetSettings | None = None) -> SettingsOfUser:
    """Take settings back to the defaults: all, or those that are named."""
    return await settings.reset(body.keys if body else None)


@router.get("/defaults", response_model=SettingsReply, dependencies=[READ])
async def get_default_settings() -> SettingsOfUser:
    """Read the platform's defaults."""
    return SettingsOfUser(UserSettings(), 0)
