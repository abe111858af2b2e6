"""The page on security: the tests that it names are there, and so are the settings."""

from __future__ import annotations

import re
from pathlib import Path

from cairn.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()


def test_what_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:tests|cairn)/[\w/.]+)`", PAGE))
    assert len(named) > 10
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
    settings = {f"CAIRN_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"CAIRN_\w+", PAGE)) <= settings
