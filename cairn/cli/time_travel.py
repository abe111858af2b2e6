"""``cairn executions fork|lineage|impact|diff``: what checkpoints are good for besides going back to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairn.cli.arguments import json_object, pairs
from cairn.cli.client import execution_path, open_client
from cairn.cli.executions import Follow, Id, InputPatch, StatePatch, Target, checkpoint_id, finish, target
from cairn.cli.output import AsJson, columns, show

if TYPE_CHECKING:
    from cairn.contracts.json import JsonObject


def fork(
    execution: Id,
    checkpoint: Target,
    input_patch: InputPatch = None,
    state_patch: StatePatch = None,
    new_id: Annotated[str | None, typer.Option("--id", help="Id of the new execution.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", "-m", metavar="KEY=VALUE", help="Instead of the first one's.")
    ] = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Start a new execution from a checkpoint of this one, which goes on."""
    body: JsonObject = {
        "input_patch": json_object(input_patch, "--input-patch"),
        "state_patch": json_object(state_patch, "--state-patch"),
        "execution_id": new_id,
        "metadata": pairs(metadata, "--metadata") if metadata else None,
    }
    body = target(checkpoint) | {name: value for name, value in body.items() if value is not None}
    with open_client() as client:
        made: JsonObject = client.send("POST", execution_path(execution, "fork"), body)
        finish(client, made["id"], made, follow, as_json)


def lineage(execution: Id, as_json: AsJson = False) -> None:
    """Show every reset of an execution, whoever made it."""
    with open_client() as client:
        found = client.get(execution_path(execution, "lineage"))
    show(found, as_json, lambda: _lineage(found))


def impact(
    execution: Id,
    checkpoint: Target,
    again: Annotated[
        bool, typer.Option("--no-reuse", help="As if what finished siblings have brought were done again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a reset to a checkpoint would come to; nothing is changed."""
    with open_client() as client:
        place = checkpoint_id(client.get(execution_path(execution)), checkpoint)
        path = execution_path(execution, "checkpoints", place, "impact")
        found = client.get(path, reuse_completed="false" if again else "true")
    show(found, as_json, lambda: _impact(found))


def diff(
    execution: Id,
    one: Annotated[str, typer.Argument(help="Id of a checkpoint, or its name: then the latest.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
    as_json: AsJson = False,
) -> None:
    """Show how what was known at another checkpoint differs from what was known at one."""
    with open_client() as client:
        now = client.get(execution_path(execution))
        path = execution_path(execution, "checkpoints", checkpoint_id(now, one))
        found: JsonObject = client.get(path, diff=checkpoint_id(now, other))["diff"]
    show(found, as_json, lambda: _difference(found))


def _lineage(found: JsonObject) -> str:
    lines: list[str] = []
    if found["forked_from_execution_id"]:
        lines.append(f"forked from {found['forked_from_execution_id']} at {found['forked_from_checkpoint_id']}")
    if not found["resets"]:
        return "\n".join([*lines, "No resets."])
    rows = [["when", "what", "to", "by", "revision", ""]]
    for each in found["resets"]:
        undone = [f"{c['name']} {c['status']}" for c in each["compensations"] if c["tool"]]
        more = ", ".join(undone + ([f"{len(each['stopped'])} children stopped"] if each["stopped"] else []))
        when, to = each["at"][:19].replace("T", " "), each["checkpoint_name"] or ""
        rows.append([when, each["kind"], to, each["by"], str(each["revision"] or ""), more or each["reason"] or ""])
    return "\n".join([*lines, columns(rows)])


def _impact(found: JsonObject) -> str:
    rows: list[list[str]] = []
    rows += [["runs again", _visit(each), ""] for each in found["runs_again"]]
    rows += [["is kept", _visit(each), ""] for each in found["kept"]]
    rows += [["effect", _visit(each), f"{each['what']} ({each['status']})"] for each in found["effects"]]
    rows += [["is undone", _visit(each), f"by {each['tool']}"] for each in found["compensations"]]
    rows += [["is not undone", _visit(each), each["error"] or each["status"]] for each in found["not_undone"]]
    rows += [["is stopped", _visit(each), each["temporal_id"]] for each in found["children"]]
    return columns(rows) if rows else "Nothing happened after this checkpoint."


def _difference(found: JsonObject) -> str:
    import json

    rows = [["completed", _visit(each)] for each in found["completed"]]
    rows += [
        [op["op"], op["path"] + (f" {json.dumps(op['value'], ensure_ascii=False)}" if "value" in op else "")]
        for op in found["patch"]
    ]
    return columns(rows) if rows else "No difference."


def _visit(each: JsonObject) -> str:
    visit, child = (f" (visit {each['visit']})" if each["visit"] > 1 else ""), each.get("execution_id")
    return each["name"] + visit + (f" in {child}" if child else "")
