"""``cairn graph diagram`` and ``cairn executions diagram``: pictures, on stdout or in a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cairn.cli.client import execution_path, open_client
from cairn.cli.graph_file import read_graph
from cairn.cli.output import AsJson, show
from cairn.errors import BadRequest

if TYPE_CHECKING:
    from cairn.contracts.json import JsonObject


class Form(StrEnum):
    """How it is drawn."""

    svg = "svg"
    mermaid = "mermaid"


As = Annotated[Form, typer.Option("--format", help="How it is drawn.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write; default: stdout.")]


def of_graph(
    graph: Annotated[str, typer.Argument(help="A file, or the name, id or uuid of a graph of the API.")],
    form: As = Form.svg,
    version: Annotated[
        str | None, typer.Option(help="A number, draft or published; default: the draft if there is one.")
    ] = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Draw a graph: one in a file, without a server, or one of the API."""
    if Path(graph).is_file():
        if version is not None:
            raise BadRequest("A file has no versions.")
        _write(_drawn(read_graph(Path(graph)), Path(graph).stem, form), form, output, as_json)
        return
    from cairn.cli.graph import find_workflow

    with open_client() as client:
        path = f"/api/v1/workflow/{find_workflow(client, graph)}/diagram"
        _write(client.text(path, format=form.value, version=version), form, output, as_json)


def of_execution(
    execution: Annotated[str, typer.Argument(help="Id of the execution.")],
    form: As = Form.svg,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Draw the graph that an execution runs, with the way that it has taken."""
    with open_client() as client:
        _write(client.text(execution_path(execution, "diagram"), format=form.value), form, output, as_json)


def _drawn(definition: JsonObject, title: str, form: Form) -> str:
    import asyncio

    from cairn.domain.diagrams import draw_definition

    return asyncio.run(draw_definition(definition, title, form.value))


def _write(text: str, form: Form, output: Path | None, as_json: bool) -> None:
    if output is None:
        show({"format": form.value, "diagram": text}, as_json, lambda: text.rstrip("\n"))
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise BadRequest(f"{output} cannot be written: {error.strerror}") from error
    show({"format": form.value, "file": str(output)}, as_json, lambda: f"wrote {output}")
