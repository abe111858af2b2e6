"""Links in the OpenAPI documents: what can be done next with what an operation has made, or lists.

The route says which path parameter its reply gives a value for: ``openapi_extra=makes("execution_id")``. Its success is
then linked to each operation of the surface that takes this parameter, alone or beside all those of the request's own
path: what is a part of something else is named by both.
"""

from __future__ import annotations

import re
from typing import Any

Document = dict[str, Any]
_MAKES = "x-makes"


def makes(parameter: str, member: str = "id", **more: str) -> Document:
    """Describe an operation whose reply tells, as ``member``, what others take as this parameter of their path.

    Members are JSON Pointers without the first slash. ``more`` are further parameters and their members.
    """
    return {_MAKES: {parameter: member, **more}}


def lists(parameter: str, items: str, member: str = "id") -> Document:
    """Describe an operation whose reply has a list ``items``: the first item's ``member`` is such a parameter."""
    return makes(parameter, f"{items}/0/{member}")


def link(document: Document) -> None:
    """Put the links into a document."""
    served = [(path, operation) for path, item in document["paths"].items() for operation in item.values()]
    for path, operation in served:
        made: dict[str, str] | None = operation.pop(_MAKES, None)
        if made is not None:
            success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            success["links"] = {
                target["operationId"]: {"operationId": target["operationId"], "parameters": values}
                for where, target in served
                if (values := _values(path, where, made)) is not None
            }


def _values(path: str, target: str, made: dict[str, str]) -> dict[str, str] | None:
    """Return where each parameter of the target's path comes from; None when it is not about what was made."""
    told = {name: f"$response.body#/{member}" for name, member in made.items()}
    own = _parameters(path)
    known = {name: f"$request.path.{name}" for name in own} | told
    wanted = _parameters(target)
    alone = {*wanted} <= told.keys()
    beside = {*own} <= {*wanted} <= known.keys()
    about = told.keys() & {*wanted} and (alone or beside)
    return {name: known[name] for name in wanted} if about else None


def _parameters(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)
