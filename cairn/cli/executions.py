"""``cairn executions``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from cairn.cli.arguments import JSON_HELP, json_object, json_value, pairs
from cairn.cli.client import ApiClient, execution_path, open_client
from cairn.cli.graph import find_workflow
from cairn.cli.output import AsJson, columns, show

if TYPE_CHECKING:
    from cairn.contracts.json import Json, JsonObject

app = typer.Typer(help="Executions: see and command them.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the execution.", show_default=False)]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Show live progress until it ends or is paused; exit by the result.")
]
Revision = Annotated[
    int | None, typer.Option("--expected-revision", min=0, help="Refuse unless the execution is at this revision.")
]
Target = Annotated[str, typer.Option("--checkpoint", "-c", help="Id of a checkpoint, or its name: then the latest.")]
InputPatch = Annotated[str | None, typer.Option(metavar="JSON", help=f"Merge patch over the input. {JSON_HELP}.")]
StatePatch = Annotated[str | None, typer.Option(metavar="JSON", help=f"Merge patch over the state. {JSON_HELP}.")]
NoReuse = Annotated[
    bool, typer.Option("--no-reuse", help="Do again what other branches of the same parallel have finished since.")
]

_CHECKPOINT_ID = re.compile(r"chk_[0-9a-f]{32}")


@app.command("list")
def list_(
    workflow: Annotated[str | None, typer.Option(help="Of this graph: id, uuid or name.")] = None,
    status: Annotated[str | None, typer.Option(help="running, paused, completed, failed or cancelled.")] = None,
    metadata: Annotated[list[str] | None, typer.Option("--metadata", "-m", metavar="KEY=VALUE")] = None,
    after: Annotated[str | None, typer.Option(help="Created at this time or later (ISO 8601).")] = None,
    before: Annotated[str | None, typer.Option(help="Created at this time or earlier.")] = None,
    parent: Annotated[str | None, typer.Option(help="Children of this execution.")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=100)] = 20,
    anchor: Annotated[
        int | None, typer.Option(min=0, help="As the first page told: executions made since then shift nothing.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List executions, newest first. All filters hold at once."""
    filters: JsonObject = {f"metadata.{key}": value for key, value in pairs(metadata, "--metadata").items()}
    filters |= {"status": status, "created_after": after, "created_before": before, "parent_execution_id": parent}
    filters["anchor"] = anchor
    with open_client() as client:
        if workflow is not None:
            filters["workflow_id"] = find_workflow(client, workflow)
        found = client.get("/api/v1/executions", **filters, page=page, page_size=page_size)
    del found["executions"]  # the same list under another name
    show(found, as_json, lambda: _table(found))


@app.command("show")
def show_(
    execution: Id,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", "-c", help="What it knew there: id of a checkpoint, or its name.")
    ] = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Show an execution with its checkpoints, or what it knew at one of them."""
    with open_client() as client:
        now = client.get(execution_path(execution))
        if checkpoint is None:
            finish(client, execution, now, follow, as_json)
            return
        known = client.get(execution_path(execution, "checkpoints", checkpoint_id(now, checkpoint)))
    show(known, as_json, lambda: _knowledge(known))


@app.command()
def replay(
    execution: Id,
    checkpoint: Target,
    input_patch: InputPatch = None,
    state_patch: StatePatch = None,
    expected_revision: Revision = None,
    force: Annotated[bool, typer.Option("--force", help="Also when it is running.")] = False,
    no_reuse: NoReuse = False,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Go back to a checkpoint and run on."""
    body = target(checkpoint) | _changes(input_patch, state_patch, expected_revision) | _again(no_reuse)
    _command(execution, "replay", body | ({"force": True} if force else {}), follow, as_json)


@app.command()
def rollback(
    execution: Id,
    checkpoint: Target,
    input_patch: InputPatch = None,
    state_patch: StatePatch = None,
    expected_revision: Revision = None,
    no_reuse: NoReuse = False,
    as_json: AsJson = False,
) -> None:
    """Go back to a checkpoint and stay paused: what came later is undone, as far as it can be, and discarded."""
    body = target(checkpoint) | _changes(input_patch, state_patch, expected_revision) | _again(no_reuse)
    with open_client() as client:
        made: JsonObject = client.send("POST", execution_path(execution, "rollback"), body)
        now: JsonObject = client.get(execution_path(execution)) | {"compensations": made["compensations"]}
    show(now, as_json, lambda: _detail(now) + _undone(now["compensations"]))


@app.command()
def pause(execution: Id, expected_revision: Revision = None, as_json: AsJson = False) -> None:
    """Stop before the next node; what is in flight ends and is kept."""
    _command(execution, "pause", _changes(None, None, expected_revision), False, as_json)


@app.command()
def resume(execution: Id, expected_revision: Revision = None, follow: Follow = False, as_json: AsJson = False) -> None:
    """Go on."""
    _command(execution, "resume", _changes(None, None, expected_revision), follow, as_json)


@app.command()
def cancel(execution: Id, expected_revision: Revision = None, as_json: AsJson = False) -> None:
    """End it as cancelled; what is in flight is cancelled too."""
    _command(execution, "cancel", _changes(None, None, expected_revision), False, as_json)


@app.command()
def patch(
    execution: Id,
    input_patch: InputPatch = None,
    state_patch: StatePatch = None,
    expected_revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Change the input or the state of a paused execution."""
    body = _changes(input_patch, state_patch, expected_revision)
    with open_client() as client:
        finish(client, execution, client.send("PATCH", execution_path(execution), body), False, as_json)


@app.command()
def migrate(
    execution: Id,
    version: Annotated[int, typer.Option(min=1, help="A published version of its graph.", show_default=False)],
    expected_revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Have a paused execution go on by another version of its graph."""
    body = {"version": version} | _changes(None, None, expected_revision)
    _command(execution, "migrate", body, False, as_json)


@app.command("send-event")
def send_event(
    execution: Id,
    name: Annotated[str, typer.Argument(help="The event that a wait node names.", show_default=False)],
    payload: Annotated[str | None, typer.Option(metavar="JSON", help="What the wait node returns.")] = None,
    correlation: Annotated[str | None, typer.Option(metavar="JSON", help="Which of several waits is meant.")] = None,
    event_id: Annotated[str | None, typer.Option(help="The same event sent again under one id is one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell it what happened outside, for its wait nodes; one that comes early is kept."""
    given: JsonObject = {"name": name, "event_id": event_id}
    body = {member: value for member, value in given.items() if value is not None}
    for member, text in (("payload", payload), ("correlation", correlation)):
        if text is not None:
            body[member] = json_value(text, f"--{member}")
    with open_client() as client:
        sent = client.send("POST", execution_path(execution, "events"), body)
    show(sent, as_json, lambda: f"{sent['event_id']} is on its way to {sent['execution_id']}")


def finish(client: ApiClient, execution_id: str, now: JsonObject, follow: bool, as_json: bool) -> None:
    """Show an execution as it is, or follow it first and end with the exit status of its result.

    Args:
        client: of the API.
        execution_id: the execution.
        now: its document.
        follow: whether to follow it.
        as_json: print the document alone.
    """
    if not follow:
        show(now, as_json, lambda: _detail(now))
        return
    from rich.console import Console

    from cairn.cli.follow import EXIT_STATUS
    from cairn.cli.follow import follow as follow_live

    console = None if as_json else Console(highlight=False)
    status = follow_live(client, execution_id, console, lineage=now["temporal"]["run_id"])
    end: JsonObject = client.get(execution_path(execution_id))
    show(end, as_json, lambda: _detail(end))
    raise typer.Exit(EXIT_STATUS[status])


def _command(execution: str, name: str, body: JsonObject, follow: bool, as_json: bool) -> None:
    with open_client() as client:
        client.command(execution_path(execution, name), body)
        finish(client, execution, client.get(execution_path(execution)), follow, as_json)


def target(checkpoint: str) -> JsonObject:
    """Return the members of a request that name a checkpoint, given by id or name."""
    by = "checkpoint_id" if _CHECKPOINT_ID.fullmatch(checkpoint) else "checkpoint_name"
    return {by: checkpoint}


def checkpoint_id(now: JsonObject, checkpoint: str) -> str:
    """Return the id of a checkpoint that is given by id or name: then the latest."""
    named = [each["id"] for each in now["checkpoints"] if each["name"] == checkpoint]
    return named[-1] if named else checkpoint


def _changes(input_patch: str | None, state_patch: str | None, expected_revision: int | None) -> JsonObject:
    given: JsonObject = {
        "input_patch": json_object(input_patch, "--input-patch"),
        "state_patch": json_object(state_patch, "--state-patch"),
        "expected_revision": expected_revision,
    }
    return {name: value for name, value in given.items() if value is not None}


def _again(no_reuse: bool) -> JsonObject:
    return {"reuse_completed": False} if no_reuse else {}


def _undone(compensations: list[JsonObject]) -> str:
    rows = [[_whose(each), each["tool"] or "", each["status"], each["error"] or ""] for each in compensations]
    return "\n\n" + columns([["effect of", "undone by", "", ""], *rows]) if rows else ""


def _whose(compensated: JsonObject) -> str:
    child = compensated.get("execution_id")
    return compensated["name"] + (f" in {child}" if child else "")


def _table(found: JsonObject) -> str:
    if not found["items"]:
        return (
            "No executions." if not found["total"] else f"No page {found['page']}: there are {found['total']} in all."
        )
    rows = [["id", "status", "created", "revision", "graph", ""]]
    for each in found["items"]:
        created, graph = _time(each["created_at"]), each["workflow_id"][:8]
        rows.append([each["id"], each["status"], created, str(each["revision"]), graph, _cut(_reason(each), 80)])
    page, total = found["page"], found["total"]
    more = f"; --page {page + 1} --anchor {found['anchor']} for more" if page * found["page_size"] < total else ""
    return columns(rows) + (f"\n{len(rows) - 1} of {total}{more}" if len(rows) - 1 < total else "")


def _detail(now: JsonObject) -> str:
    facts = [("execution", now["id"]), ("status", now["status"]), ("", _reason(now))]
    facts += [("created", _time(now["created_at"])), ("revision", str(now["revision"]))]
    facts += [("input", _json(now["input_data"]))]
    facts += [("output", _json(now["output_data"]))] if now["output_data"] is not None else []
    facts += [("metadata", _json(now["metadata"]))] if now["metadata"] else []
    facts += [("temporal", now["temporal"]["url"])]
    lines = columns([[name, value] for name, value in facts if value])
    checkpoints: list[JsonObject] = now.get("checkpoints", [])
    rows = [[str(each["step"]), each["name"], _time(each["created_at"]), each["id"]] for each in checkpoints]
    return lines + ("\n\n" + columns([["step", "checkpoint", "made", "id"], *rows]) if rows else "")


def _knowledge(known: JsonObject) -> str:
    facts = [("checkpoint", f"{known['name']} ({known['id']})"), ("made", _time(known["created_at"]))]
    facts += [(name, _json(known[name])) for name in ("input", "state", "outputs")]
    return columns([[name, value] for name, value in facts])


def _reason(now: JsonObject) -> str:
    error: JsonObject | None = now["error"]
    return f"{error['code']}: {error['message']}" if error else now["status_detail"] or ""


def _time(text: str) -> str:
    return text[:19].replace("T", " ")


def _json(value: Json) -> str:
    import json

    return _cut(json.dumps(value, ensure_ascii=False), 500, " (--json shows all)")


def _cut(text: str, length: int, hint: str = "") -> str:
    return text if len(text) <= length else f"{text[:length]}…{hint}"
