"""``cairn graph export`` and ``cairn graph import``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairn.cli.client import open_client
from cairn.cli.graph_file import read_graph
from cairn.cli.output import AsJson, show
from cairn.errors import BadRequest, Conflict

if TYPE_CHECKING:
    from cairn.contracts.json import JsonObject
    from cairn.graph.imports import Imported

_WORKFLOWS = "/api/v1/workflow"


def export_graph(
    graph: Annotated[str, typer.Argument(help="Name, number or uuid.")],
    to: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    published: Annotated[bool, typer.Option(help="The published version; default: the draft if there is one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a graph to a file that `cairn graph import` reads: name, definition, configuration."""
    from cairn.cli.graph import find_workflow

    with open_client() as client:
        found: JsonObject = client.get(f"{_WORKFLOWS}/fetch/{find_workflow(client, graph)}")
    definition = found["published_definition"] if published else found["definition"]
    if definition is None:
        raise Conflict(f"{found['name']} has no published version.")
    document = {"name": found["name"], "definition": definition, "configuration": found["configuration"]}
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if to is None:
        typer.echo(text)
        return
    _write(to, text)
    done = {"name": found["name"], "uuid": found["uuid"], "file": str(to), "nodes": len(definition["nodes"])}
    show(done, as_json, lambda: f"{found['name']}: {done['nodes']} nodes written to {to}")


def import_graph(
    file: Annotated[
        Path, typer.Argument(help="An export of Cairn, a definition, LangGraph's `to_json()`, or a workflow of n8n.")
    ],
    name: Annotated[str | None, typer.Option(help="The graph's name; default: that of the source or the file.")] = None,
    to: Annotated[Path | None, typer.Option(help="Write an export to this file, and ask no server.")] = None,
    new_triggers: Annotated[
        bool, typer.Option("--new-triggers", help="Leave paths of triggers out: the server makes new ones.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a graph of a file. Of other tools' graphs it reports what has no counterpart.

    With errors the graph is a draft.
    """
    found = _read(file)
    called = name or found.name or file.stem
    if new_triggers:
        _forget_paths(found.definition)
    document = {"name": called, "definition": found.definition, "configuration": found.configuration}
    made: JsonObject | None = None
    if to is not None:
        _write(to, json.dumps(document, indent=2, ensure_ascii=False))
    else:
        with open_client() as client:
            if any(each["name"] == called for each in client.get(f"{_WORKFLOWS}/fetch?status=all")["workflows"]):
                raise Conflict(f"A graph is named {called!r} already. Give another --name.")
            made = client.send("POST", f"{_WORKFLOWS}/create/definition", document)
    report = _report(found, called, made)
    show(report, as_json, lambda: _told(report, to))


def _read(file: Path) -> Imported:
    from cairn.graph.imports import read_document

    try:
        return read_document(read_graph(file))
    except ValueError as error:
        raise BadRequest(f"{file} holds no graph that can be read: {error}") from error


def _forget_paths(definition: JsonObject) -> None:
    for node in definition.get("nodes") or ():
        if node.get("type") == "trigger" and isinstance(node.get("data"), dict):
            node["data"].pop("trigger_path", None)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise BadRequest(f"{file} cannot be written: {error.strerror}") from error


def _report(found: Imported, called: str, made: JsonObject | None) -> JsonObject:
    notes = [{"node": each.node, "status": each.status, "message": each.message} for each in found.notes]
    report: JsonObject = {"format": found.format, "name": called, "mapped": found.mapped, "notes": notes}
    if made is not None:
        kept = ("id", "uuid", "version_number", "version_status", "trigger_paths", "errors", "warnings")
        report |= {member: made[member] for member in kept}
    return report


def _told(report: JsonObject, to: Path | None) -> str:
    lines = [f"{report['format']}: {report['mapped']} nodes mapped as they are, {len(report['notes'])} notes"]
    lines += [f"{each['status']:8} {each['node'] or 'the graph'}: {each['message']}" for each in report["notes"]]
    errors: list[Any] = report.get("errors") or []
    lines += [f"error    {' '.join(filter(None, (e['kind'], e['id'], e['field'])))}: {e['message']}" for e in errors]
    if to is not None:
        return "\n".join([*lines, f"{report['name']}: written to {to}"])
    status = f"version {report['version_number']} is {report['version_status']}"
    return "\n".join([*lines, f"{report['name']}: {status}. Id {report['uuid']}"])
