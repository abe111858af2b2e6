"""The condition "member ``key`` of this JSON object reads ``value``", the same on both databases."""

from __future__ import annotations

import json
import math
from typing import Any

from sqlalchemy import Boolean, ColumnElement, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col

from cairn.contracts.json import Json


class _MemberIs(FunctionElement[bool]):
    name = "json_member_is"
    type = Boolean()
    inherit_cache = True


def member_is(column: Any, key: str, value: str) -> ColumnElement[bool]:
    """Return the condition for a column of type ``JsonIndexed``.

    Args:
        column: the column.
        key: name of a member of the object.
        value: as text, which is how a query string has it: ``5`` finds both 5 and "5", ``true`` both true and "true".
    """
    texts: Json = [value, _scalar(value)]
    return _MemberIs(col(column), literal(key), *(literal(json.dumps(v)) for v in texts), *_objects(key, texts))


def _scalar(value: str) -> Json:
    """Return what the text means as a JSON number, boolean or null, else the text."""
    try:
        parsed = json.loads(value, parse_constant=str)
    except (ValueError, RecursionError):
        return value
    if isinstance(parsed, (dict, list)) or (isinstance(parsed, float) and not math.isfinite(parsed)):
        return value
    return parsed


def _objects(key: str, values: list[Json]) -> list[ColumnElement[str]]:
    return [literal(json.dumps({key: value})) for value in values]


@compiles(_MemberIs, "postgresql")
def _contains(element: _MemberIs, compiler: SQLCompiler, **kw: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    # Containment is what the GIN index answers.
    column, _, _, _, *objects = [compiler.process(clause, **kw) for clause in element.clauses]
    return "(" + " OR ".join(f"{column} @> CAST({one} AS JSONB)" for one in objects) + ")"


@compiles(_MemberIs, "sqlite")
def _each(element: _MemberIs, compiler: SQLCompiler, **kw: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    # json_each rather than a path: a key may hold dots and quotes.
    column, key, *scalars = [compiler.process(clause, **kw) for clause in list(element.clauses)[:4]]
    number = "replace({}, 'integer', 'real')"
    same = " OR ".join(
        f"(m.atom IS json_extract({one}, '$') AND {number.format('m.type')} = {number.format(f'json_type({one})')})"
        for one in scalars
    )
    return f"EXISTS (SELECT 1 FROM json_each({column}) AS m WHERE m.key = {key} AND ({same}))"
