"""Whoever opens a connection is known: to addresses that callers name the guarded client alone does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for place in ("cairn", "activities", "api", "workflows")
    for path in sorted((ROOT / place).rglob("*.py"))
    if (ROOT / "cairn/cli") not in path.parents  # goes where its own user says
]

OPENERS = {
    "AsyncClient", "AsyncHTTPTransport", "HTTPTransport", "create_async_httpx2_client", "urlopen", "urlretrieve",
    "open_connection", "create_connection", "HTTPConnection", "HTTPSConnection", "streamable_http_client", "sse_client",
    "websocket_client", "download_item", "from_url",
}  # fmt: skip
LIBRARIES = {"httpx", "aiohttp", "requests", "urllib3", "websockets", "pycurl", "ftplib", "smtplib", "http.client"}
GUARDS = {"open_client", "guarded_client"}

OWN = {
    "cairn/providers/http.py": "the guard itself",
    "cairn/providers/llm/registry.py": "models of the installation, at addresses of its settings",
    "cairn/providers/mcp/client.py": "MCP servers of the installation's settings",
    "cairn/object_store.py": "stores of the installation's settings",
}
"""Those that connect to nothing that a caller of the API names."""

GUARDED = {
    "activities/http.py": "by_node",
    "activities/requests.py": "by_notification",
    "cairn/domain/tools/authored/request.py": "by_tool",
    "cairn/providers/llm/own.py": "by_model",
    "cairn/providers/llm/probe.py": "by_trial_of_a_key",
    "cairn/providers/mcp/client.py": None,  # told by the operator: see above
}
"""Those that use the guard, with what tries them in ``tests/activities/test_ssrf.py``."""


def called(source: str) -> set[str]:
    """Return the names of what is called, and of the libraries that are imported."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                found.add(name)
            case ast.Import(names=names):
                found |= {f"import {name}" for each in names for name in (each.name, each.name.partition(".")[0])}
            case ast.ImportFrom(module=str(module), level=0):
                found |= {f"import {name}" for name in (module, module.partition(".")[0])}
            case _:
                pass
    return found


def opens(source: str) -> set[str]:
    return called(source) & (OPENERS | {f"import {name}" for name in LIBRARIES})


def test_nobody_else_opens_connections() -> None:
    found = {str(path.relative_to(ROOT)) for path in FILES if opens(path.read_text())}
    assert found - OWN.keys() == set()
    assert OWN.keys() - found == set()


def test_whoever_goes_where_callers_say_is_tried() -> None:
    found = {str(path.relative_to(ROOT)) for path in FILES if called(path.read_text()) & GUARDS}
    assert found - {"cairn/providers/http.py"} == GUARDED.keys()
    suite = ast.parse((ROOT / "tests/activities/test_ssrf.py").read_text())
    senders = next(
        {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
        for node in suite.body
        if isinstance(node, ast.AnnAssign) and node.value is not None and ast.unparse(node.target) == "SENDERS"
    )
    assert {sender for sender in GUARDED.values() if sender} <= senders


@pytest.mark.parametrize(
    "source",
    ["httpx2.AsyncClient()", "import requests", "from urllib.request import urlopen\nurlopen(x)", "import http.client"],
)
def test_the_rule_sees_what_it_forbids(source: str) -> None:
    assert opens(source)
