"""``cairn openapi``: the documents that the API serves, without the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cairn


@pytest.mark.parametrize(("surface", "path"), [("omium", "/executions"), ("voice", "/workflow/fetch"), ("all", "")])
def test_it_prints_the_document(cairn: Cairn, surface: str, path: str) -> None:
    result = cairn("openapi", surface)
    document = json.loads(result.stdout)
    assert result.returncode == 0
    assert document["openapi"].startswith("3.")
    assert f"/api/v1{path}" in document["paths"] or not path
    assert cairn("openapi", surface, "--json").stdout == result.stdout


def test_another_name_is_a_usage_error_that_names_the_surfaces(cairn: Cairn) -> None:
    result = cairn("openapi", "nothing")
    assert result.returncode == 2
    assert "omium" in result.stderr
