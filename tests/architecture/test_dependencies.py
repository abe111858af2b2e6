"""What handlers depend on is made by coroutine functions: for each other function FastAPI goes to a thread and back."""

from __future__ import annotations

import ast
from pathlib import Path

API = Path(__file__).parents[2] / "api"


def test_no_dependency_of_a_request_goes_to_a_thread() -> None:
    named, plain = set[str](), set[str]()
    for file in API.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Depends" | "Security"), args=[ast.Name(id=name), *_]):
                    named.add(name)
                case ast.FunctionDef(name=name):
                    plain.add(name)
                case _:
                    pass
    assert "execution_service" in named
    assert named & plain == set()
