"""The documented endpoints against the served OpenAPI documents."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from api.app import surfaces
from cairn.settings import Settings

COMPLETE = ("omium", "voice")
"""Surfaces that serve every documented endpoint."""

AGENTFLOW = {
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/api/v1/agents/stats"),
    ("GET", "/api/v1/agents"),
    ("GET", "/api/v1/agent/{}"),
    ("DELETE", "/api/v1/agent/{}"),
    ("GET", "/api/v1/agent/{}/config"),
    ("PATCH", "/api/v1/agent/{}/config"),
    ("GET", "/api/v1/agent/{}/subagents"),
    ("POST", "/api/v1/agent/{}/subagents"),
    ("GET", "/api/v1/agent/{}/subagents/{}"),
    ("PATCH", "/api/v1/agent/{}/subagents/{}"),
    ("DELETE", "/api/v1/agent/{}/subagents/{}"),
    ("GET", "/api/v1/agent/{}/subagents/{}/config"),
    ("GET", "/api/v1/agent/{}/subagents/{}/tools"),
    ("POST", "/api/v1/agent/{}/subagents/{}/tools"),
    ("DELETE", "/api/v1/agent/{}/subagents/{}/tools/{}"),
    ("GET", "/api/v1/agent/{}/subagents/{}/available-tools"),
    ("POST", "/api/v1/agent/{}/chat"),
    ("POST", "/api/v1/agent/{}/subagents/{}/run"),
    ("POST", "/api/v1/agent/{}/context/preload"),
    ("GET", "/api/v1/agent/{}/context/blocks"),
    ("POST", "/api/v1/agent/{}/capability/retrieve"),
    ("POST", "/api/v1/agent/{}/capability/plan"),
    ("POST", "/api/v1/agent/{}/capability/reflect"),
    ("POST", "/api/v1/agent/{}/context/blocks/build"),
    ("POST", "/api/v1/conversations"),
    ("GET", "/api/v1/conversations"),
    ("GET", "/api/v1/conversations/search"),
    ("GET", "/api/v1/conversations/{}"),
    ("PUT", "/api/v1/conversations/{}"),
    ("DELETE", "/api/v1/conversations/{}"),
    ("GET", "/api/v1/conversations/{}/messages"),
    ("POST", "/api/v1/conversations/{}/messages"),
    ("GET", "/api/v1/conversations/{}/cached-results/{}"),
    ("GET", "/api/v1/conversations/{}/cached-results/{}/items"),
    ("GET", "/api/v1/conversations/{}/timeline"),
    ("GET", "/api/v1/conversations/{}/stream"),
    ("GET", "/api/v1/conversations/{}/runs"),
    ("GET", "/api/v1/conversations/{}/markers"),
    ("GET", "/api/v1/conversations/{}/llm-format"),
    ("GET", "/api/v1/agent/conversations/{}/title"),
    ("PUT", "/api/v1/agent/conversations/{}/title"),
    ("POST", "/api/v1/agent/conversations/{}/title/generate"),
    ("POST", "/api/v1/agent/{}/conversations/{}/compress"),
    ("GET", "/api/v1/cancel/active-calls"),
    ("POST", "/api/v1/cancel/{}"),
    ("POST", "/api/v1/cancel/all"),
    ("POST", "/api/v1/cancel/background-task/{}"),
    ("GET", "/api/v1/agent/{}/tools"),
    ("POST", "/api/v1/agent/{}/tools"),
    ("GET", "/api/v1/agent/{}/tools/{}"),
    ("PATCH", "/api/v1/agent/{}/tools/{}"),
    ("DELETE", "/api/v1/agent/{}/tools/{}"),
    ("POST", "/api/v1/agent/{}/tools/generate"),
    ("POST", "/api/v1/agent/{}/tools/dry-run"),
    ("POST", "/api/v1/agent/{}/tools/persist"),
    ("PUT", "/api/v1/agent/{}/tools/{}/approval"),
    ("POST", "/api/v1/agent/{}/tools/{}/run"),
    ("GET", "/api/v1/agent/{}/skills"),
    ("GET", "/api/v1/approvals/pending"),
    ("GET", "/api/v1/approvals/{}"),
    ("POST", "/api/v1/approvals/{}/respond"),
    ("DELETE", "/api/v1/approvals/{}"),
    ("POST", "/api/v1/approvals/bulk-respond"),
    ("GET", "/api/v1/approvals/tools/{}/stats"),
    ("GET", "/api/v1/approvals/dashboard/summary"),
    ("POST", "/api/v1/approvals/cleanup-expired"),
    ("POST", "/api/v1/questions/{}/respond"),
    ("GET", "/api/v1/prompt-blocks"),
    ("POST", "/api/v1/prompt-blocks"),
    ("GET", "/api/v1/prompt-blocks/{}"),
    ("PATCH", "/api/v1/prompt-blocks/{}"),
    ("DELETE", "/api/v1/prompt-blocks/{}"),
    ("POST", "/api/v1/prompt-blocks/{}/preview"),
    ("POST", "/api/v1/prompt-blocks/{}/invalidate-cache"),
    ("GET", "/api/v1/skills"),
    ("GET", "/api/v1/skills/{}"),
    ("GET", "/api/v1/skills/{}/content"),
    ("GET", "/api/v1/models"),
    ("GET", "/api/v1/llm/config"),
    ("POST", "/api/v1/llm/config"),
    ("PUT", "/api/v1/llm/config/mode"),
    ("GET", "/api/v1/llm/config/model-options"),
    ("POST", "/api/v1/llm/config/test-key"),
    ("DELETE", "/api/v1/llm/config/{}"),
    ("POST", "/api/v1/llm/chat"),
    ("POST", "/api/v1/llm/autocomplete"),
    ("POST", "/api/v1/llm/recommend"),
    ("GET", "/api/v1/admin/usage/summary"),
    ("GET", "/api/v1/admin/budget"),
    ("PUT", "/api/v1/admin/budget"),
    ("GET", "/api/v1/admin/budget/users"),
    ("PUT", "/api/v1/admin/budget/users"),
    ("GET", "/api/v1/settings"),
    ("PATCH", "/api/v1/settings"),
    ("POST", "/api/v1/settings/reset"),
    ("GET", "/api/v1/settings/defaults"),
}
"""What agentflow serves so far."""


def shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def documented(surface: str) -> set[tuple[str, str]]:
    with (Path(__file__).parent / "endpoints.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert len(rows) == 245
    return {(row["method"], shape(row["path"])) for row in rows if row["surface"] == surface}


@pytest.fixture(scope="module")
def served() -> dict[str, set[tuple[str, str]]]:
    documents = {name: app.openapi() for name, app in surfaces(Settings()).items()}
    return {
        name: {(method.upper(), shape(path)) for path, item in document["paths"].items() for method in item}
        for name, document in documents.items()
    }


@pytest.mark.parametrize("surface", COMPLETE)
def test_a_complete_surface_serves_every_documented_endpoint(surface: str, served) -> None:
    assert documented(surface)
    assert documented(surface) - served[surface] == set()


@pytest.mark.parametrize(("surface", "claimed"), [("agentflow", AGENTFLOW)])
def test_a_surface_serves_what_is_claimed_of_it(surface: str, claimed: set, served) -> None:
    assert claimed <= documented(surface)
    assert claimed == served[surface] & documented(surface)
