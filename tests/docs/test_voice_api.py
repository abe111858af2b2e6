"""The guide to the voice API: the bounds that it tells are those that hold."""

from __future__ import annotations

from guided import ROOT

from cairn.domain.graphs import document
from cairn.graph import validate

GUIDE = (ROOT / "docs" / "api" / "voice.md").read_text()


def test_the_bounds_are_told() -> None:
    assert f"at most {document.MAX_NODES:,} nodes\nand {document.MAX_EDGES:,} edges" in GUIDE
    assert f"After {validate.MAX_ISSUES:,} errors it ends." in GUIDE
