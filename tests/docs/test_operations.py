"""The guide for operators names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cairn.settings import Settings
from cairn.temporal.server import SEARCH_ATTRIBUTES

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs" / "operations.md").read_text()


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    return (alias if isinstance(alias, str) else f"CAIRN_{name}").upper()


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    told = set(re.findall(r"`((?:CAIRN|AGENTFLOW)_[A-Z_]+)`", GUIDE[GUIDE.index("## Settings") :]))
    assert told == {variable(name) for name in Settings.model_fields}


def test_defaults_of_the_table_are_those_in_force() -> None:
    rows = re.findall(r"^\| (`CAIRN_.*?) \| (.*?) \|", GUIDE, re.MULTILINE)
    told = {
        name: default.strip("`")
        for names, defaults in rows
        for name, default in zip(re.findall(r"CAIRN_\w+", names), defaults.split(", "), strict=False)
    }
    for name, field in Settings.model_fields.items():
        default = field.default_factory() if field.default_factory else field.default  # pyright: ignore
        if default is not None and variable(name).startswith("CAIRN_"):
            assert told[variable(name)].lower() == str(default).lower()


@pytest.mark.parametrize("attribute", SEARCH_ATTRIBUTES)
def test_every_search_attribute_is_named(attribute: str) -> None:
    assert f"`{attribute}`" in GUIDE


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=str)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
