"""Fills a JSON Schema with values that are in the input: by the names of properties, else by their types."""

from __future__ import annotations

import re
from typing import Any, cast

import jsonschema_rs

from cairn.contracts.json import Json, JsonObject
from cairn.providers.llm.model import ModelLimit
from cairn.providers.llm.offline_text import Material, keywords

_MISSING = object()
_DEPTH = 12
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?)?")


def fill(schema: JsonObject, material: Material) -> JsonObject:
    """Return an object that satisfies the schema.

    Raises:
        ModelLimit: the schema asks for a value that neither the input nor the schema gives.
    """
    value = _Filler(schema, material).value("", schema, _DEPTH)
    if value is _MISSING:
        raise ModelLimit("The offline provider finds no values for the output schema in the input")
    error = next(jsonschema_rs.validator_for(schema).iter_errors(value), None)
    if error is not None:
        where = "/".join(str(part) for part in error.instance_path) or "the whole"
        raise ModelLimit(f"The offline provider finds no value for the output schema in the input: {where}: {error}")
    return cast("JsonObject", value)


class _Filler:
    def __init__(self, root: JsonObject, material: Material) -> None:
        self._root = root
        self._material = material

    def value(self, name: str, schema: JsonObject, depth: int) -> Json:
        schema = self._resolved(schema)
        for known in (self._given(schema), self._named(name, schema), self._mentioned(schema)):
            if known is not _MISSING:
                return known
        if not depth:
            return _MISSING
        kinds: Any = schema.get("type", "object" if "properties" in schema else "")
        for kind in cast("list[str]", kinds if isinstance(kinds, list) else [kinds]):
            value = self._of_kind(kind, name, schema, depth)
            if value is not _MISSING:
                return value
        return _MISSING

    def _resolved(self, schema: JsonObject) -> JsonObject:
        """Follow a reference and take the first alternative, for a bounded number of times."""
        for _ in range(_DEPTH):
            if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#"):
                target: Any = self._root
                for part in reference.strip("#/").split("/") if reference.strip("#/") else ():
                    target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
                schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
            elif options := cast("list[JsonObject]", schema.get("anyOf") or schema.get("oneOf") or []):
                rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
                useful = [each for each in options if each.get("type") != "null"]
                schema = {**rest, **(useful or options)[0]}
            elif parts := cast("list[JsonObject]", schema.get("allOf") or []):
                rest = {key: value for key, value in schema.items() if key != "allOf"}
                schema = {**rest, **{key: value for part in parts for key, value in part.items()}}
            else:
                break
        return schema

    def _given(self, schema: JsonObject) -> Json:
        return schema.get("const", _MISSING)

    def _named(self, name: str, schema: JsonObject) -> Json:
        """Find a property of this name in the JSON of the input."""
        if not name:
            return _MISSING
        for each in self._material.objects:
            if name in each and self._fits(each[name], schema):
                return each[name]
        return _MISSING

    def _fits(self, value: Json, schema: JsonObject) -> bool:
        definitions = {key: self._root[key] for key in ("$defs", "definitions") if key in self._root}
        return jsonschema_rs.is_valid({**definitions, **schema}, value)

    def _mentioned(self, schema: JsonObject) -> Json:
        """Take the value of an enumeration that the prompt mentions, else its default, else its first."""
        values = cast("list[Json]", schema.get("enum") or [])
        for value in values:
            if isinstance(value, str) and re.search(rf"\b{re.escape(value)}\b", self._material.prompt, re.IGNORECASE):
                return value
        return schema.get("default", values[0] if values else _MISSING)

    def _of_kind(self, kind: str, name: str, schema: JsonObject, depth: int) -> Json:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(name, schema, depth)
            case "string":
                return self._string(schema)
            case "number" | "integer":
                return self._number(kind, schema)
            case "boolean":
                return bool(name) and bool(keywords(name.replace("_", " ")) & keywords(self._material.prompt))
            case "null":
                return None
            case _:
                return self._material.question

    def _object(self, schema: JsonObject, depth: int) -> Json:
        properties = cast("dict[str, JsonObject]", schema.get("properties") or {})
        required = cast("list[str]", schema.get("required") or [])
        made: JsonObject = {}
        for name in dict.fromkeys([*properties, *required]):
            value = self.value(name, properties.get(name, {}), depth - 1)
            if value is not _MISSING:
                made[name] = value
            elif name in required:
                return _MISSING
        return made

    def _array(self, name: str, schema: JsonObject, depth: int) -> Json:
        item = self._resolved(cast("JsonObject", schema.get("items") or {}))
        most = int(schema.get("maxItems", 3))
        if item.get("type") == "string" and "enum" not in item:
            texts = [text for _, text in self._material.key_sentences(most)] or [self._material.question]
            return [text for text in texts if self._fits(text, item)]
        if item.get("type") == "object" and (found := [e for e in self._material.objects if self._fits(e, item)]):
            return found[:most]
        least = int(schema.get("minItems", 0))
        made = [self.value(name, item, depth - 1) for _ in range(least)]
        return _MISSING if _MISSING in made else made

    def _string(self, schema: JsonObject) -> Json:
        prompt = self._material.prompt
        if schema.get("format") in ("date", "date-time"):
            candidates = [*_DATE.findall(prompt), *(date[:10] for date in _DATE.findall(prompt))]
        elif pattern := schema.get("pattern"):
            candidates = [word for word in prompt.split() if re.search(str(pattern), word)]
        else:
            sentences = [text for _, text in self._material.key_sentences(1)]
            limit = int(schema.get("maxLength", 10_000))
            candidates = [text[:limit] for text in (*sentences, self._material.question, prompt)]
        return next((text for text in candidates if self._fits(text, schema)), _MISSING)

    def _number(self, kind: str, schema: JsonObject) -> Json:
        texts = _NUMBER.findall(self._material.prompt)
        numbers: list[float | int] = [int(text) for text in texts if "." not in text]
        if kind == "number":
            numbers += [float(text) for text in texts if "." in text]
        numbers += [schema[key] for key in ("minimum", "maximum") if key in schema]
        return next((number for number in (*numbers, 0, 1) if self._fits(number, schema)), _MISSING)
