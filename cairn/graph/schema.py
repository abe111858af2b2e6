"""JSON Schema (draft 2020-12): is a schema one, and does a value follow it.

Nothing is ever fetched: references go to the same document, by JSON pointer. Regular expressions are matched in linear
time, so they have no look-around and no back-references.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import cast

import jsonschema_rs

from cairn.contracts.json import Json, JsonObject, canonical
from cairn.errors import FieldError
from cairn.graph.schema_cost import MAX_LEVELS, SchemaRefused, deepest_document
from cairn.graph.scope import ScopeError, Size

MAX_SCHEMA = 262_144
"""Characters of a schema's JSON text."""
MAX_ERRORS = 50
"""Errors that are reported of one value."""
_MAX_WORK = 20_000_000
_MAX_WORK_ALL_ERRORS = 100_000
_MAX_MESSAGE = 300

_IDENTITY = ("$schema", "$id", "$anchor", "$dynamicAnchor", "$vocabulary")
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=100_000, dfa_size_limit=1_000_000)


def check_schema(schema: Json) -> list[str]:
    """Return what is wrong with a schema, with the JSON pointer of each place; empty when it can be used."""
    try:
        return list(_compile(_canonical(schema)).problems)
    except SchemaRefused as error:
        return [str(error)]


def validate_json(schema: Json, value: Json) -> list[FieldError]:
    """Return where a value breaks a schema: at most 50 errors, of a large value the first.

    A schema that cannot be used is itself the one error. ``format`` is checked.
    """
    try:
        compiled = _compile(_canonical(schema))
        size = Size(value)
    except (SchemaRefused, ScopeError) as error:
        return [FieldError("", str(error))]
    if compiled.validator is None:
        return [FieldError("", f"the schema is not valid: {compiled.problems[0]}")]
    work = compiled.checks[min(size.depth, len(compiled.checks)) - 1] * size.nodes
    if size.depth > compiled.deepest or work > _MAX_WORK:
        return [FieldError("", "the value is too large or too deep for what its schema has to check")]
    if compiled.validator.is_valid(value):
        return []
    try:
        if work > _MAX_WORK_ALL_ERRORS:
            compiled.validator.validate(value)
        return [_error(error) for error in islice(compiled.validator.iter_errors(value), MAX_ERRORS)]
    except jsonschema_rs.ValidationError as error:
        return [_error(error)]


def _error(error: jsonschema_rs.ValidationError) -> FieldError:
    return FieldError(_pointer(error.instance_path), _shorten(error.message))


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A schema made ready, or what is wrong with it.

    Attributes:
        validator: None when there are problems.
        deepest: levels that a value may have.
        checks: checks along one path, by levels.
        problems: for the schema's author.
    """

    validator: jsonschema_rs.Draft202012Validator | None
    deepest: int = 0
    checks: tuple[float, ...] = ()
    problems: tuple[str, ...] = ()


def _canonical(schema: Json) -> str:
    if not isinstance(schema, dict | bool):
        raise SchemaRefused("a schema is an object, true or false")
    try:
        Size(cast(Json, schema))
        text = canonical(cast(Json, schema))
    except ValueError as error:
        raise SchemaRefused(str(error)) from None
    if len(text) > MAX_SCHEMA:
        raise SchemaRefused(f"a schema has at most {MAX_SCHEMA} characters")
    return text


@lru_cache(maxsize=512)
def _compile(text: str) -> _Compiled:
    schema: JsonObject | bool = json.loads(text)
    if isinstance(schema, bool):
        return _Compiled(jsonschema_rs.Draft202012Validator(schema, offline=True), MAX_LEVELS, (1.0,))
    problems = tuple(_describe(islice(_meta_schema().iter_errors(schema), MAX_ERRORS)))
    if problems:
        return _Compiled(None, problems=problems)
    # The draft is fixed: another one in $schema would change what the words mean from graph to graph.
    schema = {key: value for key, value in schema.items() if key not in _IDENTITY}
    try:
        deepest, checks = deepest_document(schema)
        validator = jsonschema_rs.Draft202012Validator(
            schema, offline=True, validate_formats=True, pattern_options=_PATTERNS
        )
    except jsonschema_rs.ValidationError as error:
        return _Compiled(None, problems=tuple(_describe([error])))
    except ValueError as error:
        return _Compiled(None, problems=(_shorten(str(error).partition("\n")[0]),))
    return _Compiled(validator, deepest, tuple(checks))


@lru_cache(maxsize=1)
def _meta_schema() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": "https://json-schema.org/draft/2020-12/schema"}, offline=True, pattern_options=_PATTERNS
    )


def _describe(errors: Iterable[jsonschema_rs.ValidationError]) -> Iterable[str]:
    for error in errors:
        pointer = _pointer(error.instance_path)
        message = _shorten(error.message)
        yield f"{pointer}: {message}" if pointer else message


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _shorten(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"
