"""Rules of the repository that no other tool keeps."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CODE = ("cairn", "workflows", "activities", "api", "worker.py", "tests", "bench")

LONGEST_FILE = 400
LONGEST_HANDLER = 12
VERBS = {"get", "post", "put", "patch", "delete", "head", "api_route", "route", "websocket"}


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository as it would be committed now."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a clone: there is no list of files")
    return tuple(path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file())


def python_files(*places: str) -> Iterator[Path]:
    for place in places:
        yield from [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def test_imports_keep_their_contracts() -> None:
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stdout


def test_every_package_of_cairn_has_a_layer() -> None:
    layers = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["name"] == "imports run one way")[
        "layers"
    ]
    named = {name.strip() for layer in layers for name in re.split(r"[|:]", layer)}
    there = {f"cairn.{path.stem}" for path in (ROOT / "cairn").iterdir() if not path.name.startswith(("_", "."))}
    assert there <= named


def test_every_surface_has_its_place_among_the_surfaces() -> None:
    contract = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if "surfaces" in c["name"])
    named = set(re.findall(r"api\.\w+", " ".join(contract["layers"])))
    packages = {f"api.{path.parent.name}" for path in (ROOT / "api").glob("*/__init__.py")}
    assert packages <= named


def test_make_has_compiled_modules_kept() -> None:
    """Containers are often told to keep none: then each process of the tests compiles all that it imports."""
    result = subprocess.run(
        ["make", "-f", "Makefile", "-f", "-", "environment"],
        input="environment:\n\t@env\n",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "PYTHONDONTWRITEBYTECODE" not in result.stdout


def test_no_file_is_too_long_to_read() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in python_files(*CODE)}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def handlers() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in python_files("api"):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(is_route, node.decorator_list)):
                yield f"{path.relative_to(ROOT)}:{node.name}", node


def is_route(decorator: ast.expr) -> bool:
    return (
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.func.attr in VERBS
    )


def test_handlers_are_short() -> None:
    found = list(handlers())
    assert found
    too_long = {}
    for name, node in found:
        body = node.body[1:] if ast.get_docstring(node) else node.body
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > LONGEST_HANDLER:
            too_long[name] = lines
    assert too_long == {}


# Assembled, so that this file does not hold what it forbids.
HOSTS = re.compile("|".join(["py" + r"pi\.org", "files\\.python" + "hosted", "npm" + r"js\.org", "crates" + r"\.io"]))
MACHINE_PATHS = re.compile(
    "|".join([r"(?<![\w.])/ro" + "ot/", r"(?<![\w.])/ho" + r"me/\w+/", "/Us" + r"ers/\w+/", "/wo" + "rk/"])
)


def test_no_file_names_a_package_host_or_a_path_of_a_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {m[0]}" for rule in (HOSTS, MACHINE_PATHS) for m in rule.finditer(text)]
    assert found == []


LOCKS = [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.lock"), *ROOT.glob("bench/sides/locks/*.lock"))]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_host_and_has_a_hash_for_everything(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index-url" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_lock_has_what_the_project_asks_for() -> None:
    project = PROJECT["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in asked}  # type: ignore[index]
    assert names <= set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
