"""code: a function in Python, written by the graph's author, that runs in a sandbox."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, StringConstraints

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RUN_CODE
from cairn.graph.nodes.base import NodeData, NodeKind, Scope, Sources, evaluate_all, sources_of

MAX_CODE = 65_536
"""Characters of the code of one node."""

_OWN = ("input", "state")
_INTROSPECTION = ("eval", "exec", "inspect", "locals", "sys", "vars")
"""By these names code gets at its parameters without naming them."""


class CodeData(NodeData):
    """Data of a code node.

    Attributes:
        code: Python source that defines ``run(input, state)``.
        arguments: further arguments of ``run``, by keyword; a string is an expression, all else stands for itself.
    """

    code: Annotated[str, StringConstraints(min_length=1, max_length=MAX_CODE)]
    arguments: JsonObject = Field(default_factory=dict)


class Code(NodeKind[CodeData]):
    """The kind."""

    def resolve(self, data: CodeData, scope: Scope) -> JsonObject:
        """Evaluate the arguments; input and state go along as they are."""
        return {
            "code": data.code,
            "input": scope.get("input"),
            "state": scope.get("state") or {},
            "arguments": evaluate_all(data.arguments, scope),
        }

    def expressions(self, data: CodeData) -> Sources:
        """The arguments."""
        return sources_of("arguments", data.arguments)

    def problems(self, data: CodeData) -> Iterable[tuple[str, str]]:
        """What keeps ``run`` from being called; the code is parsed, and not run."""
        try:
            signature = signature_of_run(data.code, "run(input, state)")
        except CodeError as error:
            yield "code", str(error)
            return
        yield from _calls(signature, data.arguments)


class CodeError(ValueError):
    """Code cannot be called.

    Attributes:
        line: where; None where it has no place.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def signature_of_run(code: str, wanted: str) -> ast.arguments:
    """Return the parameters of a code's ``run``; the code is parsed, and not run.

    Args:
        code: Python source.
        wanted: what it is to define, for the author.

    Raises:
        CodeError: it is no Python, or has no such function.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise CodeError(f"Code is not valid Python: {error.msg} (line {error.lineno})", error.lineno) from error
    except (ValueError, RecursionError, MemoryError):
        raise CodeError("Code cannot be parsed") from None
    found = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "run"]
    if not found:
        raise CodeError(f"Code must define a function {wanted}")
    return found[-1].args


def reads_input(code: str) -> bool:
    """Whether a code's ``run`` may look at its input; the code is parsed, and not run."""
    signature = signature_of_run(code, "run(input, state)")
    first = next((each.arg for each in (*signature.posonlyargs, *signature.args)), None)
    used = {each.id for each in ast.walk(ast.parse(code)) if isinstance(each, ast.Name)}
    return first is None or not used.isdisjoint({first, *_INTROSPECTION})


def _calls(signature: ast.arguments, arguments: JsonObject) -> Iterable[tuple[str, str]]:
    """Yield why ``run(input, state, **arguments)`` does not fit the function's parameters."""
    positional = [each.arg for each in (*signature.posonlyargs, *signature.args)]
    if len(positional) < len(_OWN) and signature.vararg is None:
        yield "code", "run must take the input and the state as its first two arguments"
        return
    required = positional[len(_OWN) : len(positional) - len(signature.defaults)]
    required += [
        each.arg for each, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True) if default is None
    ]
    named = {each.arg for each in (*signature.args, *signature.kwonlyargs)} - set(positional[: len(_OWN)])
    for name in required:
        if name not in arguments:
            yield "arguments", f"run needs the argument '{name}'"
    for key in arguments:
        if not key.isidentifier() or key in _OWN:
            yield f"arguments.{key}", "An argument is named like a parameter of run, other than input and state"
        elif key not in named and signature.kwarg is None:
            yield f"arguments.{key}", f"run has no parameter '{key}'"


KIND = Code(type="code", Data=CodeData, activity=RUN_CODE, checkpointed=True, pure=True, timeout=300.0)
