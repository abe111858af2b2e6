"""Workflows and graphs are replayed: the same history must give the same commands, on every machine, at any time."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = [path for room in ("workflows", "cairn/graph") for path in sorted((ROOT / room).rglob("*.py"))]

# Modules that read a clock, chance, the environment or the world outside.
FORBIDDEN = {
    "asyncio.subprocess", "concurrent", "ctypes", "getpass", "glob", "http", "importlib", "io", "logging",
    "multiprocessing",
    "os", "pathlib", "platform", "queue", "random", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip

# Of otherwise pure modules: what reads the clock or chance all the same.
FORBIDDEN_CALLS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
    "asyncio.run", "asyncio.to_thread", "asyncio.open_connection",
}  # fmt: skip
FORBIDDEN_BUILTINS = {"open", "input", "print", "exec", "eval", "compile", "__import__", "hash"}

# Third parties that are pure, deterministic and bounded.
ALLOWED = {"cairn", "workflows", "pydantic", "temporalio", "cel_expr_python", "minijinja", "jsonschema_rs", "google"}


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def impurities(source: str) -> list[str]:
    tree = ast.parse(source)
    found = [
        name
        for name in imports(tree)
        if any(name == module or name.startswith(module + ".") for module in FORBIDDEN)
        or (name.partition(".")[0] not in sys.stdlib_module_names and name.partition(".")[0] not in ALLOWED)
        or (
            name.startswith("temporalio.")
            and not name.startswith(
                ("temporalio.workflow", "temporalio.common", "temporalio.exceptions", "temporalio.contrib.pydantic")
            )
        )
    ]
    found += [name for name in calls(tree) if name in FORBIDDEN_BUILTINS or name in FORBIDDEN_CALLS]
    return found


def test_they_read_no_clock_no_chance_and_no_outside() -> None:
    assert PURE
    found = {str(path.relative_to(ROOT)): impurities(path.read_text()) for path in PURE}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "import os.path",
        "from os import environ",
        "from uuid import uuid4",
        "import random as r",
        "def f():\n    import time",
        "import httpx2",
        "from temporalio.client import Client",
        "from datetime import datetime\nx = datetime.now()",
        "open('x')",
        "hash('x')",
    ],
)
def test_the_rule_sees_what_it_forbids(source: str) -> None:
    assert impurities(source)
