"""The command ``cairn``."""

from __future__ import annotations

import platform
import sys
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from cairn import __version__, orderly
from cairn.cli import (
    blobs,
    db,
    deployments,
    diagram,
    doctor,
    executions,
    graph,
    keys,
    openapi,
    output,
    people,
    processes,
    run,
    schedules,
    serve,
    setup,
    temporal,
    time_travel,
)
from cairn.cli.demo import command as demo
from cairn.errors import CairnError

app = typer.Typer(
    name="cairn",
    help="Durable orchestration of agent graphs on Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"cairn {__version__} (Python {platform.python_version()})")
        raise typer.Exit


@app.callback()
def _options(
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("setup", hidden=True)(setup.setup)
app.command("temporal")(temporal.temporal)
app.command("worker")(processes.worker)
app.command("api")(processes.api)
app.add_typer(db.app, name="db")
app.add_typer(blobs.app, name="blobs")
app.add_typer(keys.app, name="keys")
app.add_typer(graph.app, name="graph")
app.command("run")(run.run)
app.add_typer(executions.app, name="executions")
for command in (time_travel.fork, time_travel.lineage, time_travel.impact, time_travel.diff):
    executions.app.command()(command)
executions.app.command("diagram")(diagram.of_execution)
graph.app.command("diagram")(diagram.of_graph)
app.add_typer(deployments.app, name="deployments")
app.add_typer(schedules.app, name="schedules")
app.add_typer(people.approvals, name="approvals")
app.add_typer(people.questions, name="questions")
app.command("openapi")(openapi.openapi)
app.command("doctor")(doctor.doctor)


def main() -> NoReturn:
    """Run the command that the arguments name, and end the process in order."""
    orderly.die_with_parent()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # one that cannot write a mark gets a question mark
            stream.reconfigure(errors="replace")
    orderly.run(run_command)


def run_command() -> int | None:
    """Run the command that the arguments name; return the status of one that an error ended."""
    try:
        app()
    except CairnError as error:
        output.show_error(error, as_json="--json" in sys.argv)
        return 1
