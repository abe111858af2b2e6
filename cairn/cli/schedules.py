"""``cairn schedules``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from cairn.cli.arguments import JSON_HELP, json_object, pairs
from cairn.cli.client import open_client
from cairn.cli.graph import find_workflow
from cairn.cli.output import AsJson, columns, show

if TYPE_CHECKING:
    from cairn.contracts.json import JsonObject

app = typer.Typer(help="Schedules: executions that are started at times.", no_args_is_help=True)

PATH = "/api/v1/schedules"

Id = Annotated[str, typer.Argument(help="Id of the schedule.", show_default=False)]
Note = Annotated[str | None, typer.Option(help="Why, for people.")]
Overlap = Annotated[
    str | None,
    typer.Option(
        metavar="POLICY",
        help="When an execution is still open: skip, buffer_one, buffer_all, cancel_other, terminate_other, allow_all.",
    ),
]
Cron = Annotated[list[str] | None, typer.Option(help="Cron expression; several fire at the times of each.")]
Every = Annotated[int | None, typer.Option(metavar="SECONDS", min=1, help="Instead of cron: an interval.")]
Calendar = Annotated[str | None, typer.Option(metavar="JSON", help=f"Instead of cron: a calendar. {JSON_HELP}.")]
TimeZone = Annotated[str | None, typer.Option(help="IANA name, as Europe/Berlin; else UTC.")]
StartAt = Annotated[str | None, typer.Option(help="Not before this time (ISO 8601).")]
EndAt = Annotated[str | None, typer.Option(help="Not after this time.")]
Jitter = Annotated[int | None, typer.Option(metavar="SECONDS", min=0, help="Late by up to this.")]
Name = Annotated[str | None, typer.Option(help="For people.")]
InputData = Annotated[str | None, typer.Option("--input", "-i", metavar="JSON", help=f"{JSON_HELP}.")]
Metadata = Annotated[list[str] | None, typer.Option("--metadata", "-m", metavar="KEY=VALUE")]
CatchupWindow = Annotated[int | None, typer.Option(metavar="SECONDS", min=10, help="Make up for what is missed.")]


@app.command()
def create(
    workflow: Annotated[str, typer.Argument(help="The graph: id, uuid or name.", show_default=False)],
    cron: Cron = None,
    every: Every = None,
    calendar: Calendar = None,
    time_zone: TimeZone = None,
    start_at: StartAt = None,
    end_at: EndAt = None,
    jitter: Jitter = None,
    name: Name = None,
    input_data: InputData = None,
    metadata: Metadata = None,
    overlap: Overlap = None,
    catchup_window: CatchupWindow = None,
    pause_on_failure: Annotated[
        bool, typer.Option("--pause-on-failure", help="Pause when an execution fails.")
    ] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Make it paused.")] = False,
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """Make a schedule. One of --cron, --every and --calendar is given."""
    body = _given(
        spec=_spec(cron, every, calendar, time_zone, start_at, end_at, jitter),
        name=name,
        input_data=json_object(input_data, "--input"),
        metadata=pairs(metadata, "--metadata") or None,
        overlap=overlap,
        catchup_window_seconds=catchup_window,
        pause_on_failure=pause_on_failure or None,
        paused=paused or None,
        note=note,
    )
    with open_client() as client:
        made = client.send("POST", PATH, {**body, "workflow_id": find_workflow(client, workflow)})
    show(made, as_json, lambda: _detail(made))


@app.command()
def update(
    schedule: Id,
    workflow: Annotated[str | None, typer.Option(help="Another graph: id, uuid or name.")] = None,
    cron: Cron = None,
    every: Every = None,
    calendar: Calendar = None,
    time_zone: TimeZone = None,
    start_at: StartAt = None,
    end_at: EndAt = None,
    jitter: Jitter = None,
    name: Name = None,
    input_data: InputData = None,
    metadata: Metadata = None,
    overlap: Overlap = None,
    catchup_window: CatchupWindow = None,
    pause_on_failure: Annotated[
        bool | None, typer.Option("--pause-on-failure/--no-pause-on-failure", help="When an execution fails.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a schedule; what is not given stays. Its times are replaced as a whole."""
    body = _given(
        spec=_spec(cron, every, calendar, time_zone, start_at, end_at, jitter) or None,
        name=name,
        input_data=json_object(input_data, "--input"),
        metadata=pairs(metadata, "--metadata") or None,
        overlap=overlap,
        catchup_window_seconds=catchup_window,
        pause_on_failure=pause_on_failure,
    )
    with open_client() as client:
        if workflow is not None:
            body["workflow_id"] = find_workflow(client, workflow)
        now = client.send("PATCH", _path(schedule), body)
    show(now, as_json, lambda: _detail(now))


@app.command("list")
def list_(
    workflow: Annotated[str | None, typer.Option(help="Of this graph: id, uuid or name.")] = None,
    paused: Annotated[bool | None, typer.Option("--paused/--not-paused", help="Only those.")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """List schedules, newest first. All filters hold at once."""
    with open_client() as client:
        workflow_id = None if workflow is None else find_workflow(client, workflow)
        which = None if paused is None else str(paused).lower()
        found = client.get(PATH, workflow_id=workflow_id, paused=which, page=page, page_size=page_size)
    show(found, as_json, lambda: _table(found))


@app.command("show")
def show_(schedule: Id, as_json: AsJson = False) -> None:
    """Show a schedule with its next and its last firings."""
    with open_client() as client:
        now = client.get(_path(schedule))
    show(now, as_json, lambda: _detail(now))


@app.command()
def delete(schedule: Id, as_json: AsJson = False) -> None:
    """Delete a schedule. Its executions stay, those that run go on."""
    with open_client() as client:
        client.send("DELETE", _path(schedule), {})
    show({"id": schedule, "deleted": True}, as_json, lambda: f"{schedule} is deleted")


@app.command()
def pause(schedule: Id, note: Note = None, as_json: AsJson = False) -> None:
    """Let it fire no more; its executions go on."""
    _command(schedule, "pause", _given(note=note), as_json)


@app.command()
def unpause(schedule: Id, note: Note = None, as_json: AsJson = False) -> None:
    """Let it fire again."""
    _command(schedule, "unpause", _given(note=note), as_json)


@app.command()
def trigger(schedule: Id, overlap: Overlap = None, as_json: AsJson = False) -> None:
    """Fire now."""
    _command(schedule, "trigger", _given(overlap=overlap), as_json)


@app.command()
def backfill(
    schedule: Id,
    start: Annotated[str, typer.Option(help="The first moment (ISO 8601).")],
    end: Annotated[str, typer.Option(help="The last moment.")],
    overlap: Overlap = None,
    as_json: AsJson = False,
) -> None:
    """Fire for the times of a period in the past; a time that has an execution gets no second one."""
    _command(schedule, "backfill", _given(start=start, end=end, overlap=overlap), as_json)


def _spec(
    cron: list[str] | None,
    every: int | None,
    calendar: str | None,
    time_zone: str | None,
    start_at: str | None,
    end_at: str | None,
    jitter: int | None,
) -> JsonObject:
    return _given(
        cron=cron or None,
        interval=None if every is None else {"every_seconds": every},
        calendar=json_object(calendar, "--calendar"),
        time_zone=time_zone,
        start_at=start_at,
        end_at=end_at,
        jitter_seconds=jitter,
    )


def _command(schedule: str, name: str, body: JsonObject, as_json: bool) -> None:
    with open_client() as client:
        now = client.send("POST", _path(schedule, name), body)
    show(now, as_json, lambda: _detail(now))


def _path(schedule: str, *more: str) -> str:
    return "/".join([PATH, *(quote(part, safe="") for part in (schedule, *more))])


def _given(**values: object) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}


def _table(found: JsonObject) -> str:
    if not found["items"]:
        return "No schedules." if not found["total"] else f"No page {found['page']}: there are {found['total']} in all."
    rows = [["id", "name", "times", "state", "graph"]]
    rows += [
        [each["id"], each["name"] or "", _times(each["spec"]), _state(each), each["workflow_id"][:8]]
        for each in found["items"]
    ]
    shown, total = len(found["items"]), found["total"]
    return columns(rows) + (f"\n{shown} of {total}; --page {found['page'] + 1} for more" if shown < total else "")


def _detail(now: JsonObject) -> str:
    facts = [("schedule", now["id"]), ("name", now["name"]), ("state", _state(now)), ("note", now["note"])]
    facts += [("graph", now["workflow_id"]), ("times", _times(now["spec"])), ("overlap", now["overlap"])]
    facts += [("next", ", ".join(_time(at) for at in now["next_runs"]))]
    facts += [("fired", f"{now['runs']} times, {now['skipped']} skipped, {now['missed']} missed")]
    lines = columns([[name, value] for name, value in facts if value])
    rows = [
        [_time(run["scheduled_at"]), run["status"] or "", run["execution_id"] or "", _reason(run)]
        for run in now["recent_runs"]
    ]
    return lines + ("\n\n" + columns([["fired for", "status", "execution", ""], *rows]) if rows else "")


def _times(spec: JsonObject) -> str:
    import json

    zone = "" if spec["time_zone"] == "UTC" else f" ({spec['time_zone']})"
    if spec["cron"]:
        return " | ".join(spec["cron"]) + zone
    if spec["interval"]:
        return f"every {spec['interval']['every_seconds']} s"
    return json.dumps(spec["calendar"]) + zone


def _state(now: JsonObject) -> str:
    return now["status_detail"] or ("paused" if now["paused"] else "active")


def _reason(run: JsonObject) -> str:
    return f"{run['error']['code']}: {run['error']['message']}" if run["error"] else ""


def _time(text: str) -> str:
    return text[:19].replace("T", " ")
