"""How commands print: text for a person, or one JSON document."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cairn.errors import CairnError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
"""The option that every command has."""


def show(data: Any, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result.

    Args:
        data: the JSON document.
        as_json: whether to print that.
        text: makes what a person reads.
    """
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str) if as_json else text())


def show_error(error: CairnError, as_json: bool) -> None:
    """Print an error: as text to standard error, as JSON to standard output."""
    if as_json:
        fields = [{"pointer": field.pointer, "message": field.message} for field in error.errors]
        document = {"error": {"code": error.code, "message": error.message, "errors": fields}}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    typer.echo(f"Error: {error.message}", err=True)
    for field in error.errors:
        typer.echo(f"  {field.pointer or '/'}: {field.message}", err=True)


def columns(rows: list[list[str]]) -> str:
    """Return rows of text as columns, each as wide as its longest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
