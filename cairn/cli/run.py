"""``cairn run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairn.cli.arguments import JSON_HELP, json_object, pairs
from cairn.cli.client import open_client
from cairn.cli.executions import Follow, finish
from cairn.cli.graph import find_workflow
from cairn.cli.output import AsJson

if TYPE_CHECKING:
    from cairn.contracts.json import JsonObject


def run(
    workflow: Annotated[str, typer.Argument(help="Id, uuid or name of a published graph.")],
    input_data: Annotated[
        str | None, typer.Option("--input", "-i", metavar="JSON", help=f"Input. {JSON_HELP}.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", "-m", metavar="KEY=VALUE", help="Kept with it; a filter of lists.")
    ] = None,
    execution_id: Annotated[
        str | None, typer.Option("--id", help="Id of your choice; the same id is taken once.")
    ] = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Start an execution.

    With --follow the exit status is the result's: 0 completed, 1 failed or cancelled, 3 paused.
    """
    body: JsonObject = {
        "input_data": json_object(input_data, "--input") or {},
        "metadata": pairs(metadata, "--metadata"),
    }
    if execution_id is not None:
        body["execution_id"] = execution_id
    with open_client() as client:
        body["workflow_id"] = find_workflow(client, workflow)
        execution = client.send("POST", "/api/v1/executions", body)
        finish(client, execution["id"], execution, follow, as_json)
