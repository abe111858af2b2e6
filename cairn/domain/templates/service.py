"""Graphs made from templates and from descriptions."""

from __future__ import annotations

from cairn.contracts.writing import WritingRequest
from cairn.domain.graphs.model import Graph
from cairn.domain.graphs.service import GraphService
from cairn.domain.principal import Principal
from cairn.domain.templates.model import find_template
from cairn.temporal.writing import GraphWriter


class TemplateService:
    """Makes graphs for a tenant; commits nothing."""

    def __init__(self, graphs: GraphService, writer: GraphWriter, caller: Principal) -> None:
        """Take the caller's graphs, what writes new ones, and the caller."""
        self._graphs = graphs
        self._writer = writer
        self._caller = caller

    async def duplicate(self, template_id: str, name: str) -> Graph:
        """Make a graph that is a copy of a template; its triggers get paths of their own.

        Raises:
            NotFound: there is no such template.
        """
        return await self._graphs.create(name, find_template(template_id).definition())

    async def write(self, name: str, description: str, key: str | None = None) -> Graph:
        """Make a graph for a description; what a model could not repair makes a draft, with its errors in ``issues``.

        Args:
            name: of the graph.
            description: what it is to do.
            key: names the request over all its tries.

        Raises:
            RateLimited: the monthly budget is used up (``budget_exceeded``).
            Unavailable: it takes too long.
            BadGateway: the model failed.
        """
        caller = self._caller
        request = WritingRequest(tenant=caller.tenant, live=caller.live, user_id=caller.author, description=description)
        written = await self._writer.write(request, key)
        return await self._graphs.create(name, written.definition)
