"""Merge patches over what an execution knew at a checkpoint: checked before anything is made of them."""

from __future__ import annotations

from typing import cast

from cairn import errors
from cairn.contracts.json import Json, JsonObject, digest, merge_patch
from cairn.graph.schema import validate_json
from cairn.temporal.checkpoint import Snapshot
from cairn.temporal.checkpoints import Projection


def check_patches(snapshot: Snapshot, input_patch: Json, state_patch: Json) -> None:
    """Refuse patches that would break a schema.

    Raises:
        InvalidInput: with one error a value.
    """
    graph = snapshot.graph  # the execution's present run knows none before it has landed
    found = _broken("/input_patch", graph.input_schema, snapshot.input, input_patch)
    if state_patch is not None and not isinstance(state_patch, dict):
        found.append(errors.FieldError("/state_patch", "a state patch is an object"))
    else:
        patch = cast("JsonObject", state_patch or {})
        for key, declared in graph.state.items():
            if key in patch and patch[key] is not None:
                value = snapshot.state.get(key)
                found += _broken(f"/state_patch/{key}", declared.json_schema, value, patch[key])
    if found:
        raise errors.InvalidInput("The patch breaks the graph's schema", errors=found)


def changes_nothing(projection: Projection, input_patch: Json, state_patch: Json) -> bool:
    """Whether the patches would leave the execution as it is."""
    if not projection.engine.started:
        return False
    state = projection.engine.state
    given = ((state.input, input_patch), (state.values, state_patch))
    # By digest: to Python 1 is True, to JSON it is not.
    return all(patch is None or digest(merge_patch(value, patch)) == digest(value) for value, patch in given)


def patched(snapshot: Snapshot, input_patch: Json, state_patch: Json) -> JsonObject:
    """Return the engine's state at a checkpoint with the patches applied, as another execution can go on from it."""
    state: JsonObject = dict(snapshot.engine["state"])
    if input_patch is not None:
        state["input"] = merge_patch(state["input"], input_patch)
    if state_patch is not None:
        state["values"] = merge_patch(state["values"], state_patch)
    return {**snapshot.engine, "state": state}


def _broken(pointer: str, schema: Json, value: Json, patch: Json) -> list[errors.FieldError]:
    if schema is None or patch is None:
        return []
    broken = validate_json(schema, merge_patch(value, patch))
    return [errors.FieldError(f"{pointer}{error.pointer}", error.message) for error in broken]
