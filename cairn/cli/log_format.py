"""The log format of commands that run until they are stopped."""

from __future__ import annotations

import os

_VARIABLE = "CAIRN_LOG_FORMAT"


def choose_format(as_json: bool) -> None:
    """Log JSON when ``--json`` asks for it, whatever the settings say; in the processes that this one starts, too."""
    if as_json:
        _set("json")


def prefer_console() -> None:
    """Log text for a person unless the format is set."""
    _set(os.environ.get(_VARIABLE, "console"))


def _set(log_format: str) -> None:
    from cairn.settings import get_settings

    os.environ[_VARIABLE] = log_format
    get_settings.cache_clear()
