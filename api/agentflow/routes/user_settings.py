"""Settings of the user that the key stands for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from api.agentflow.conventions import Error
from api.agentflow.schemas.user_settings import ResetSettings, SettingsPatch, SettingsReply
from api.kit.auth import may
from api.kit.deps import SettingsService
from api.kit.if_match import IfMatch
from api.kit.route import SurfaceRoute
from cairn.domain.user_settings import SettingsOfUser, UserSettings

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


@router.get("", response_model=SettingsReply, dependencies=[READ])
async def get_settings(settings: SettingsService) -> SettingsOfUser:
    """Read the user's settings, over the defaults."""
    return await settings.get()


@router.patch("", response_model=SettingsReply, dependencies=[WRITE], responses=STALE)
async def patch_settings(body: Patch, settings: SettingsService, expected: IfMatch) -> SettingsOfUser:
    """Change settings by a JSON merge patch; it is taken whole or not at all."""
    return await settings.patch(body.root, expected)


@router.post("/reset", response_model=SettingsReply, dependencies=[WRITE])
async def reset_settings(settings: SettingsService, body: ResetSettings | None = None) -> SettingsOfUser:
    """Take settings back to the defaults: all, or those that are named."""
    return await settings.reset(body.keys if body else None)


@router.get("/defaults", response_model=SettingsReply, dependencies=[READ])
async def get_default_settings() -> SettingsOfUser:
    """Read the platform's defaults."""
    return SettingsOfUser(UserSettings(), 0)
