"""The tools that a node of a call names by uuid, ready to be called by a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, create_model

from cairn.contracts.json import Json, JsonObject
from cairn.domain.credentials import CredentialHeaders
from cairn.domain.tools.authored.definition import HttpApi, ToolParameter
from cairn.domain.tools.authored.model import AuthoredTool
from cairn.domain.tools.authored.request import HttpRequests
from cairn.domain.tools.authored.service import ToolService
from cairn.domain.tools.registry import ToolRegistry
from cairn.domain.tools.tool import Tool, ToolContext
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database
from cairn.settings import Settings

_TYPES: dict[str, Any] = {"string": str, "number": float, "boolean": bool, "object": JsonObject, "array": list[Any]}
_MAX_NAME = 64
_CALCULATE = "calculate"
# No parameter can have this name.
_CALL = "the call"


class Toolbox:
    """Opens the tools of tenants: those of the installation and those that authors made."""

    def __init__(
        self, settings: Settings, database: Database, registry: ToolRegistry, credentials: CredentialHeaders
    ) -> None:
        """Take where tools are kept, and what they work with."""
        self._database = database
        self._registry = registry
        self._requests = HttpRequests(settings, credentials)

    async def open(
        self, tenant: str, live: bool, tools: Sequence[str], context: JsonObject | None = None
    ) -> ToolRegistry:
        """Return the tools of some uuids, each under a name that a model can call it by.

        Args:
            tenant: whose tools.
            live: live or test ones.
            tools: their uuids.
            context: what the templates of preset parameters see, for example ``{"initial_context": {...}}``.

        Raises:
            NotFound: the tenant has no such tool (``tool_not_found``).
        """
        opened = ToolRegistry()
        async with self._database.session() as session:
            service = ToolService(session, Scope(tenant, live), None, self._registry)
            found = [await service.get(each) for each in dict.fromkeys(tools)]
        for each in found:
            if each.status == "active":
                opened.register(self._tool(each, _free_name(each.name, opened), context or {}))
        return opened

    def _tool(self, authored: AuthoredTool, name: str, context: JsonObject) -> Tool:
        if authored.category == "native":
            return self._registry.get(authored.name)
        if authored.category == "calculator":
            return _renamed(self._registry.get(_CALCULATE), name, authored.description)
        config = HttpApi.model_validate(authored.definition).config

        async def send(**arguments: Json) -> Json:
            call: ToolContext = arguments.pop(_CALL)
            return await self._requests.send(config, arguments, context, call)

        parameters = config.parameters or []
        fields: dict[str, Any] = {f"p{i}": _field(each) for i, each in enumerate(parameters)}
        arguments: Any = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        schema: JsonObject = arguments.model_json_schema()
        schema.pop("title", None)
        return Tool(name, authored.description or authored.name, schema, send, arguments, _CALL)


def _field(parameter: ToolParameter) -> tuple[Any, Any]:
    described = Field(alias=parameter.name, description=parameter.description)
    kind = _TYPES[parameter.type]
    if parameter.required is False:
        return Annotated[kind | None, described], None
    return Annotated[kind, described], ...


def _renamed(tool: Tool, name: str, description: str | None) -> Tool:
    described = description or tool.description
    return Tool(name, described, tool.parameters, tool.function, tool.arguments, tool.context_parameter)


def _free_name(name: str, taken: ToolRegistry) -> str:
    """Return a name that providers of models accept and no other tool of the node has."""
    base = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:_MAX_NAME] or "tool"
    names, found, number = set(taken.names()), base, 2
    while found in names:
        found, number = f"{base[: _MAX_NAME - 4]}_{number}", number + 1
    return found
