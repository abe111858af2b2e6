"""Settings of a user: the platform's defaults, and what the user has set otherwise."""

from cairn.domain.user_settings.model import UserSettings
from cairn.domain.user_settings.service import SettingsOfUser, UserSettingsService

__all__ = ["SettingsOfUser", "UserSettings", "UserSettingsService"]
