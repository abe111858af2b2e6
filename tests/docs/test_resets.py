"""The guide to replay and rollback names codes that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cairn import errors

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "resets.md").read_text()
TABLE = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", GUIDE, re.MULTILINE)
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "cairn").rglob("*.py")))
STATUSES = {kind.__name__: kind.status for kind in errors.CairnError.__subclasses__()}


@pytest.mark.parametrize(("code", "status"), TABLE)
def test_a_code_of_the_table_is_raised_with_its_status(code: str, status: str) -> None:
    raised = re.findall(rf"(\w+)\((?:[^()]|\([^()]*\))*?code=\"{code}\"", SOURCE)
    assert raised, "nothing raises it"
    assert {STATUSES[name] for name in raised} == {int(status)}


def test_there_is_a_table() -> None:
    assert len(TABLE) >= 8
