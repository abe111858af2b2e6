"""``cairn graph``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from cairn.cli.check_replay import check_replay
from cairn.cli.client import ApiClient, open_client
from cairn.cli.graph_exchange import export_graph, import_graph
from cairn.cli.graph_file import read_graph
from cairn.cli.output import AsJson, show
from cairn.errors import Conflict, NotFound

if TYPE_CHECKING:
    from cairn.contracts.json import JsonObject
    from cairn.graph.model import GraphIssue

app = typer.Typer(help="Graphs: check, publish, export and import them.", no_args_is_help=True)
app.command()(check_replay)
app.command("export")(export_graph)
app.command("import")(import_graph)

File = Annotated[Path, typer.Argument(help="A graph, as JSON or YAML.")]
_WORKFLOWS = "/api/v1/workflow"
_ID = re.compile(r"[0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@app.command()
def validate(file: File, as_json: AsJson = False) -> None:
    """Check a graph without a server. Ends with 1 when it could not be published.

    Tools of your own are known when CAIRN_TOOL_MODULES names their modules.
    """
    issues = [issue.model_dump() for issue in _issues(read_graph(file))]
    errors = [issue for issue in issues if issue["severity"] == "error"]
    warnings = [issue for issue in issues if issue["severity"] == "warning"]
    document = {"is_valid": not errors, "errors": errors, "warnings": warnings}
    show(document, as_json, lambda: _findings(f"{file} is valid.", errors, warnings))
    raise typer.Exit(1 if errors else 0)


@app.command()
def publish(
    file: File,
    name: Annotated[str | None, typer.Option(help="The graph's name; default: that of the file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Publish a graph: a new one, or the next version of the one with this name. The same again changes nothing."""
    definition = read_graph(file)
    with open_client() as client:
        done = _publish(client, definition, name or file.stem)
    document = {**done, "definition": None, "workflow_definition": None, "published_definition": None}
    document = {member: value for member, value in document.items() if value is not None}
    published = done["version_status"] == "published"
    line = f"{done['name']}: version {done['version_number']} is {done['version_status']}. Id {done['uuid']}"
    show(document, as_json, lambda: _findings(line, done.get("errors", []), done.get("warnings", [])))
    raise typer.Exit(0 if published else 1)


def find_workflow(client: ApiClient, named: str) -> str:
    """Return what the API takes for the workflow that an argument means: its id or uuid as it is, a name's uuid.

    Raises:
        NotFound: none has the name.
        Conflict: several have it.
    """
    if _ID.fullmatch(named):
        return named
    found = [each for each in client.get(f"{_WORKFLOWS}/fetch")["workflows"] if each["name"] == named]
    if not found:
        raise NotFound(f"There is no graph {named!r}. `cairn graph publish FILE` makes one.")
    return _only(found, named)["uuid"]


def _publish(client: ApiClient, definition: JsonObject, name: str) -> JsonObject:
    named = [each for each in client.get(f"{_WORKFLOWS}/fetch")["workflows"] if each["name"] == name]
    if not named:
        return client.send("POST", f"{_WORKFLOWS}/create/definition", {"name": name, "definition": definition})
    uuid = quote(_only(named, name)["uuid"], safe="")
    now: JsonObject = client.get(f"{_WORKFLOWS}/fetch/{uuid}")
    if now["version_status"] == "published" and now["published_definition"] == definition:
        return now
    body = {"definition": definition, "expected_version": now["version_number"], "expected_revision": now["revision"]}
    saved: JsonObject = client.send("PUT", f"{_WORKFLOWS}/{uuid}", body)
    if saved["errors"]:
        return saved
    return {**client.send("POST", f"{_WORKFLOWS}/{uuid}/publish", {}), "warnings": saved["warnings"]}


def _only(found: Sequence[JsonObject], name: str) -> JsonObject:
    if len(found) > 1:
        ids = ", ".join(str(each["id"]) for each in found)
        raise Conflict(f"Several graphs are named {name!r}: {ids}. Give another name, or an id where one is taken.")
    return found[0]


def _issues(definition: JsonObject) -> list[GraphIssue]:
    from pydantic import ValidationError

    from cairn.domain.tools import load_tools
    from cairn.errors import FieldError, InvalidInput, plain_message
    from cairn.graph.model import Definition
    from cairn.graph.validate import ValidationContext, validate
    from cairn.providers.mcp import server_names
    from cairn.settings import get_settings

    try:
        model = Definition.model_validate(definition)
        tools = load_tools(get_settings())
        known = ValidationContext(
            known_tools=frozenset(tools.names()),
            repeatable_tools=tools.repeatable(),
            known_mcp_servers=server_names(get_settings()),
        )
    except ValidationError as error:
        fields = [
            FieldError("".join(f"/{part}" for part in each["loc"]), plain_message(each)) for each in error.errors()
        ]
        raise InvalidInput("The file does not have the form of a graph.", errors=fields) from error
    except ValueError as error:  # a tool module, or the file of MCP servers, that cannot be loaded
        raise InvalidInput(str(error)) from error
    return validate(model, known)


def _findings(done: str, errors: Sequence[Any], warnings: Sequence[Any]) -> str:
    lines = [f"error    {_where(issue)}: {issue['message']}" for issue in errors]
    lines += [f"warning  {_where(issue)}: {issue['message']}" for issue in warnings]
    lines += [f"{len(errors)} {'error' if len(errors) == 1 else 'errors'}"] if errors else [done]
    return "\n".join(lines)


def _where(issue: JsonObject) -> str:
    parts = [issue["kind"], issue.get("id"), issue.get("field")]
    return " ".join(part for part in parts if part)
