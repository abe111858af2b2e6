"""A user's settings as agentflow takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, RootModel

from api.kit.body import Body
from cairn.contracts.json import JsonObject
from cairn.domain.user_settings import UserSettings
from cairn.domain.user_settings.model import SECTIONS


def _patch_schema(schema: dict[str, Any]) -> None:
    """Describe a merge patch: each setting may be left out, be null, or have its type; other members may be there."""
    described = UserSettings.model_json_schema()
    sections = cast("dict[str, Any]", described["$defs"])
    properties: JsonObject = {}
    for name, member in cast("dict[str, Any]", described["properties"]).items():
        reference = str(member.get("$ref") or "").rpartition("/")[2]
        members = cast("dict[str, Any]", sections[reference]["properties"] if reference else {})
        made = {"type": "object", "properties": {key: _or_null(each) for key, each in members.items()}}
        properties[name] = {"anyOf": [made, {"type": "null"}]}
    schema["properties"] = properties
    schema["additionalProperties"] = True


def _or_null(member: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in member.items() if key not in ("default", "title")}
    options: list[Any] = member.get("anyOf") or [plain]
    return {"anyOf": [*(each for each in options if each != {"type": "null"}), {"type": "null"}]}


class SettingsPatch(RootModel[dict[str, Any]]):
    """A JSON merge patch (RFC 7396) over the settings: null takes a setting back to its default.

    What is no setting is kept under `custom`, at most 64 KiB in all.
    """

    model_config = ConfigDict(json_schema_extra=_patch_schema)


class SettingsReply(BaseModel):
    """A user's settings."""

    model_config = ConfigDict(from_attributes=True)

    settings: UserSettings
    version: int = Field(description="Number of changes so far; 0: all settings are the defaults.")


_NAMES = "|".join(rf"{section}(\.({'|'.join(sorted(names))}))?" for section, names in SECTIONS.items())
SettingName = Annotated[str, Field(max_length=255, pattern=rf"^({_NAMES}|custom(\.[\s\S]+)?)$")]


class ResetSettings(Body):
    """Which settings are to be the defaults again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": ["appearance", "locale.language"]}]})

    keys: list[SettingName] | None = Field(
        default=None,
        max_length=100,
        description="Sections, or single settings such as `locale.language`; all when it is left out.",
    )
