"""``cairn openapi``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cairn.cli.output import AsJson


def openapi(
    surface: Annotated[str, typer.Argument(help="Which API: omium, voice, agentflow, codec; or all.")],
    _as_json: AsJson = True,  # it is JSON in any case
) -> None:
    """Print the OpenAPI document of an API, without starting anything."""
    from api.app import surfaces
    from api.reference import Reference
    from cairn.settings import get_settings

    reference = Reference(surfaces(get_settings()))
    documents = {**reference.documents(), "all": reference.merged()}
    if surface not in documents:
        raise typer.BadParameter(f"{surface!r} is none of {', '.join(documents)}", param_hint="SURFACE")
    typer.echo(json.dumps(documents[surface], indent=2, ensure_ascii=False))
