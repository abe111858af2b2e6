"""Pictures of graphs and of executions, as text of a format."""

from __future__ import annotations

import asyncio
from typing import Literal

from cairn.contracts.json import JsonObject
from cairn.domain.diagrams.layout import lay_out
from cairn.domain.diagrams.mermaid import mermaid
from cairn.domain.diagrams.model import Picture, picture_of
from cairn.domain.diagrams.svg import sizes, svg
from cairn.domain.diagrams.way import marked, way_of
from cairn.domain.executions.service import ExecutionService
from cairn.domain.graphs.pinned import load_definition
from cairn.errors import NotFound

Format = Literal["svg", "mermaid"]


async def draw(picture: Picture, form: Format) -> str:
    """Return a picture in a format."""
    if form == "mermaid":
        return await asyncio.to_thread(mermaid, picture)
    boxes, edges = await asyncio.to_thread(sizes, picture)
    layout = await lay_out(boxes, edges)
    return await asyncio.to_thread(svg, picture, layout, boxes)


async def draw_definition(definition: JsonObject, title: str, form: Format) -> str:
    """Return the picture of a definition, valid or not."""
    return await draw(await asyncio.to_thread(picture_of, definition, title), form)


async def draw_execution(executions: ExecutionService, execution_id: str, form: Format) -> str:
    """Return the picture of the graph that an execution runs, with the way it has taken.

    Raises:
        NotFound: no such execution, or Temporal's retention has removed its history.
        Conflict: it has not reached Temporal yet.
        Unavailable: Temporal does not answer.
    """
    way = await way_of(executions, execution_id)
    if way.ref is None:
        raise NotFound("Temporal does not have the execution's history any more.", code="history_removed")
    definition = await load_definition(executions.session, way.ref.version_id, way.ref.digest, way.ref.body)
    # Nothing was written: the connection is free for others while the picture is laid out.
    await executions.session.rollback()
    return await draw(marked(picture_of(definition, f"execution {execution_id}"), way), form)
