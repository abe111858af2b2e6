"""Reading, changing and resetting a user's settings by JSON merge patches (RFC 7396)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import Json, JsonObject, canonical, merge_patch
from cairn.domain.user_settings.model import SECTIONS, UserSettings
from cairn.errors import Conflict, FieldError, InvalidInput, plain_message
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import UserSettingsRow
from cairn.persistence.types import utc_now

CUSTOM = "custom"
CUSTOM_LIMIT = 64 * 1024
"""Bytes that a user's own keys may have."""


@dataclass(frozen=True, slots=True)
class SettingsOfUser:
    """A user's settings; ``version`` counts their changes."""

    settings: UserSettings
    version: int


class UserSettingsService:
    """Keeps the settings of one user within a session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, user_id: str) -> None:
        """Take the session and whose settings."""
        self._session = session
        self._scope = scope
        self._user_id = user_id
        self._rows = Repository(session, UserSettingsRow)

    async def get(self) -> SettingsOfUser:
        """Return the user's settings, over the defaults."""
        row = await self._row()
        return _of(row) if row is not None else SettingsOfUser(UserSettings(), 0)

    async def patch(self, patch: JsonObject, expected_version: int | None = None) -> SettingsOfUser:
        """Change settings; null takes a setting back to its default, and what is no setting is kept under ``custom``.

        Args:
            patch: a merge patch.
            expected_version: refuse unless the settings are at this version.

        Raises:
            InvalidInput: a value is not of its setting's type; nothing is changed.
            Conflict: they are at another version (``stale_version``).
        """
        row = await self._locked()
        if expected_version is not None and expected_version != row.version:
            extra = {"version": row.version, "expected_version": expected_version}
            raise Conflict("The settings were changed meanwhile.", code="stale_version", extra=extra)
        overrides = row.overrides
        if CUSTOM in patch and patch[CUSTOM] is None:
            overrides = merge_patch(overrides, {CUSTOM: None})
        return self._change(row, merge_patch(overrides, _sorted_out(patch)))

    async def reset(self, keys: Sequence[str] | None = None) -> SettingsOfUser:
        """Take settings back to their defaults: all, or those named (``locale``, ``locale.language``, ``custom``).

        Raises:
            InvalidInput: there is no such setting.
        """
        row = await self._locked()
        overrides: JsonObject = {}
        if keys is not None:
            overrides = row.overrides
            for patch in _removals(keys):
                overrides = merge_patch(overrides, patch)
        return self._change(row, overrides)

    def _change(self, row: UserSettingsRow, overrides: JsonObject) -> SettingsOfUser:
        overrides = {name: value for name, value in overrides.items() if value != {}}
        _checked(overrides)
        if overrides != row.overrides:
            row.overrides, row.version, row.updated_at = overrides, row.version + 1, utc_now()
        return _of(row)

    async def _row(self, lock: bool = False) -> UserSettingsRow | None:
        return await self._rows.get(self._scope, col(UserSettingsRow.user_id) == self._user_id, lock=lock)

    async def _locked(self) -> UserSettingsRow:
        row = await self._row(lock=True)
        if row is not None:
            return row
        tenant, live = self._scope.tenant, self._scope.live is not False
        try:
            async with self._session.begin_nested():
                return await self._rows.add(UserSettingsRow(tenant=tenant, live=live, user_id=self._user_id))
        except IntegrityError:  # another request of the user was first
            return cast("UserSettingsRow", await self._row(lock=True))


def _of(row: UserSettingsRow) -> SettingsOfUser:
    return SettingsOfUser(_checked(row.overrides), row.version)


def _checked(overrides: JsonObject) -> UserSettings:
    """Return the settings that the overrides lead to.

    Raises:
        InvalidInput: a value is not of its setting's type, or the user's own keys are too large.
    """
    if len(canonical(overrides.get(CUSTOM, {})).encode()) > CUSTOM_LIMIT:
        message = f"has more than {CUSTOM_LIMIT} bytes"
        raise InvalidInput("The user's own keys are too large.", errors=[FieldError(f"/{CUSTOM}", message)])
    try:
        return UserSettings.model_validate(overrides)
    except ValidationError as error:
        found = [_field_error(each) for each in error.errors(include_url=False, include_context=False)]
        raise InvalidInput("The settings are not valid.", errors=found) from None


def _field_error(error: Any) -> FieldError:
    return FieldError("".join(f"/{part}" for part in error["loc"]), plain_message(error))


def _sorted_out(patch: JsonObject) -> JsonObject:
    """Return the patch with what is no setting under ``custom``; what the caller puts there itself comes last."""
    known: JsonObject = {}
    custom: JsonObject = {}
    for name, value in patch.items():
        if name == CUSTOM:
            continue
        if name not in SECTIONS:
            custom[name] = value
        elif not isinstance(value, dict):
            known[name] = value
        else:
            members = cast("JsonObject", value)
            known[name] = {key: each for key, each in members.items() if key in SECTIONS[name]}
            if others := {key: each for key, each in members.items() if key not in SECTIONS[name]}:
                custom[name] = others
    own: Json = patch.get(CUSTOM)
    if own is None:
        own = custom
    elif isinstance(own, dict):
        own = {**custom, **cast("JsonObject", own)}
    return {**known, CUSTOM: own} if own != {} else known


def _removals(keys: Sequence[str]) -> list[JsonObject]:
    patches: list[JsonObject] = []
    wrong: list[FieldError] = []
    for index, key in enumerate(keys):
        section, dot, name = key.partition(".")
        if not dot and section in {*SECTIONS, CUSTOM}:
            patches.append({section: None})
        elif dot and (section == CUSTOM or name in SECTIONS.get(section, ())):
            patches.append({section: {name: None}})
        else:
            wrong.append(FieldError(f"/keys/{index}", f"there is no setting {key!r}"))
    if wrong:
        raise InvalidInput("There is no such setting.", errors=wrong)
    return patches
