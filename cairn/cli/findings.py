"""What of the settings can be looked at without asking a server: for ``cairn doctor``, and before something starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cairn.errors import CairnError, FieldError, InvalidInput

if TYPE_CHECKING:
    from cairn.settings import Settings

Status = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what.
        status: ``missing`` when Cairn cannot run without it.
        found: what is there.
        todo: what to do about it, if anything.
    """

    subject: str
    status: Status
    found: str
    todo: str | None = None

    @property
    def needed(self) -> bool:
        """Whether Cairn waits for somebody to see to it."""
        return self.status == "missing"


def require_usable(settings: Settings, *checks: Callable[[Settings], Finding | None]) -> None:
    """Refuse what would end a program at its start, or have it fail at everything.

    Raises:
        InvalidInput: something is missing; the errors say what, and what to do.
    """
    found = [check(settings) for check in (home, encryption, tools, stores, *checks)]
    wrong = [
        FieldError(each.subject, f"{each.found.rstrip('.')}. {each.todo}") for each in found if each and each.needed
    ]
    if wrong:
        raise InvalidInput("Not every setting can be used.", code="invalid_settings", errors=wrong)


def home(settings: Settings) -> Finding:
    """Say whether the folder of all data can be written."""
    path = settings.home.absolute()
    there = next(each for each in (path, *path.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding("data", "missing", f"{path} cannot be written", "Set CAIRN_HOME to a folder of yours.")
    return Finding("data", "ok", str(path) if there == path else f"{path} (made at the first start)")


def encryption(settings: Settings) -> Finding:
    """Say whether payloads are encrypted, and with which key."""
    from cairn.temporal.encryption import PayloadKeys

    try:
        keys = PayloadKeys.of(settings)
    except CairnError as error:
        return Finding(
            "encryption", "missing", error.message, "Correct the list; `openssl rand -base64 32` makes a key."
        )
    if keys.first is None:
        known = f"; {', '.join(keys.ids)} decrypt what there is" if keys.ids else ""
        return Finding("encryption", "ok", f"off: payloads are plain{known}")
    return Finding("encryption", "ok", f"payloads are encrypted with {keys.first}; known: {', '.join(keys.ids)}")


def tools(settings: Settings) -> Finding | None:
    """Say whether the modules with tools can be loaded; None when there are none."""
    from cairn.domain.tools import load_tools

    if not settings.tool_modules:
        return None
    try:
        load_tools(settings)
    except Exception as error:  # whatever a module raises while it is imported
        found = str(error) or type(error).__name__
        return Finding(
            "tool modules", "missing", found, "Correct it or CAIRN_TOOL_MODULES; PYTHONPATH helps to find it."
        )
    return Finding("tool modules", "ok", ", ".join(settings.tool_modules))


def mcp(settings: Settings) -> Finding | None:
    """Say which MCP servers there are; None when there is no file of them."""
    from cairn.providers.mcp import McpConfigError, server_names

    if settings.mcp_servers is None:
        return None
    try:
        names = server_names(settings)
    except McpConfigError as error:
        return Finding("mcp servers", "missing", str(error), "Correct the file, or CAIRN_MCP_SERVERS.")
    return Finding("mcp servers", "ok", ", ".join(sorted(names)) or "none")


def stores(settings: Settings) -> Finding | None:
    """Say where large payloads and files are kept; None when that is in the folder of all data."""
    from cairn.object_store import open_store

    urls = [url for url in (settings.blob_url, settings.storage_url) if url]
    try:
        for url in urls:
            open_store(url)
    except ValueError as error:
        return Finding("storage", "missing", str(error), "Correct CAIRN_BLOB_URL or CAIRN_STORAGE_URL.")
    return Finding("storage", "ok", ", ".join(urls)) if urls else None
