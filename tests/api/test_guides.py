"""What the guides of the surfaces name is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.app import surfaces
from cairn.settings import Settings

GUIDES = Path(__file__).parents[2] / "docs" / "api"


@pytest.mark.parametrize("surface", ["omium", "voice"])
def test_every_operation_is_named_and_every_named_one_is_served(surface: str) -> None:
    document = surfaces(Settings())[surface].openapi()
    served = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    text = (GUIDES / f"{surface}.md").read_text()
    named = {
        (method, f"/api/v1{path}")
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)(?:\?[^`]*)?`", text)
    }
    # The guide of executions shows how to start one by example.
    assert served - named <= {("POST", "/api/v1/executions")}
    assert named <= served


@pytest.mark.parametrize("surface", ["omium", "voice"])
def test_the_links_lead_somewhere(surface: str) -> None:
    text = (GUIDES / f"{surface}.md").read_text()
    for link in re.findall(r"\]\(([^)#]+\.md)", text):
        assert (GUIDES / link).is_file(), link
