"""Whether merge patches over an execution's input and state keep to the graph's schemas."""

from __future__ import annotations

from cairn.contracts.json import Json, JsonObject, merge_patch
from cairn.errors import FieldError, InvalidInput
from cairn.graph.compiled import Graph
from cairn.graph.schema import validate_json
from cairn.graph.state import ExecutionState


def check_patches(graph: Graph, state: ExecutionState, input_patch: Json, state_patch: Json) -> None:
    """Refuse patches that break the input's schema or that of a state key.

    Raises:
        InvalidInput: with one error a value.
    """
    errors: list[FieldError] = []
    if input_patch is not None and graph.input_schema is not None:
        found = validate_json(graph.input_schema, merge_patch(state.input, input_patch))
        errors += [FieldError(f"/input_patch{error.pointer}", error.message) for error in found]
    if state_patch is not None:
        errors += _state_errors(graph, state, state_patch)
    if errors:
        raise InvalidInput("the patch breaks the graph's schema", errors=errors)


def _state_errors(graph: Graph, state: ExecutionState, state_patch: Json) -> list[FieldError]:
    if not isinstance(state_patch, dict):
        return [FieldError("/state_patch", "a state patch is an object")]
    patched: JsonObject = merge_patch(state.values, state_patch)
    errors: list[FieldError] = []
    for key, declared in graph.state.items():
        if declared.json_schema is not None and key in patched and key in state_patch:
            found = validate_json(declared.json_schema, patched[key])
            errors += [FieldError(f"/state_patch/{key}{error.pointer}", error.message) for error in found]
    return errors
