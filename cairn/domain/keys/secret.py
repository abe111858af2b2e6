"""The installation's secret, which keys the hashes of API keys."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from cairn.settings import Settings


def load_secret(settings: Settings) -> bytes:
    """Return ``CAIRN_SECRET``, else what is in ``$CAIRN_HOME/secret`` (mode 600), which is made when it is missing.

    Processes that start at once get the same one.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    file = _file(settings)
    if not file.exists():
        _make(file)
    return file.read_bytes()


def secret_source(settings: Settings) -> str | None:
    """Return where the secret comes from, for a person; None when there is none yet."""
    if settings.secret is not None:
        return "CAIRN_SECRET"
    return str(_file(settings)) if _file(settings).exists() else None


def _file(settings: Settings) -> Path:
    return settings.home / "secret"


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written aside, with mode 600, and linked when it is complete: the first one wins, and nobody reads half of it.
    handle, aside = tempfile.mkstemp(dir=file.parent, prefix=".secret-")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_hex(32))
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, file)
    finally:
        os.unlink(aside)
