"""The tools that a node of a call names by uuid, ready to be called by a model."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import ConfigDict, Field, create_model
from sqlmodel import col

from cairn.contracts.json import Json, JsonObject
from cairn.domain.credentials import CredentialHeaders
from cairn.domain.tools.authored.definition import HttpApi, ToolParameter
from cairn.domain.tools.authored.model import AuthoredTool
from cairn.domain.tools.authored.request import HttpRequests, names_read
from cairn.domain.tools.authored.service import ToolService
from cairn.domain.tools.registry import ToolRegistry
from cairn.domain.tools.tool import Tool, ToolContext
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow
from cairn.settings import Settings

_TYPES: dict[str, Any] = {"string": str, "number": float, "boolean": bool, "object": JsonObject, "array": list[Any]}
_WORDS, _PART = 55, 8
_NAMED = re.compile(r".{1,55}_([0-9a-f]{8})")
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

    async def open(self, tenant: str, live: bool, tools: Collection[str]) -> ToolRegistry:
        """Return the tools of some uuids, each under a name that a model can call it by; archived ones are left out.

        Args:
            tenant: whose tools.
            live: live or test ones.
            tools: their uuids.

        Raises:
            NotFound: the tenant has no such tool (``tool_not_found``).
        """
        async with self._database.session() as session:
            service = ToolService(session, Scope(tenant, live), None, self._registry)
            found = [await service.get(each) for each in dict.fromkeys(tools)]
        return ToolRegistry(self._tool(each) for each in found if each.status == "active")

    async def find(self, tenant: str, live: bool, name: str) -> ToolRegistry:
        """Return the tool that ``open`` gave a name; nothing when the tenant has no such tool (any more)."""
        named = _NAMED.fullmatch(name)
        if named is None:
            return ToolRegistry()
        async with self._database.session() as session:
            own = await ToolService(session, Scope(tenant, live), None, self._registry).begin_with(named.group(1))
        return ToolRegistry(self._tool(each) for each in own if _name(each) == name)

    def _tool(self, authored: AuthoredTool) -> Tool:
        if authored.category == "native":
            return self._registry.get(authored.name)
        if authored.category == "calculator":
            return _renamed(self._registry.get(_CALCULATE), _name(authored), authored.description)
        config = HttpApi.model_validate(authored.definition).config

        async def send(**arguments: Json) -> Json:
            call: ToolContext = arguments.pop(_CALL)
            given = await self._given(call) if config.preset_parameters else {}
            return await self._requests.send(config, arguments, given, call)

        name, parameters = _name(authored), config.parameters or []
        fields: dict[str, Any] = {f"p{i}": _field(each) for i, each in enumerate(parameters)}
        arguments: Any = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        schema: JsonObject = arguments.model_json_schema()
        schema.pop("title", None)
        described, reads = authored.description or authored.name, names_read(config)
        return Tool(name, described, schema, send, arguments, _CALL, reads)

    async def _given(self, call: ToolContext) -> JsonObject:
        """Return what the templates of preset parameters see: what texts of the call do, else the execution's input."""
        if call.given is not None:
            return call.given
        mine = col(ExecutionRow.id) == call.execution_id
        async with self._database.session() as session:
            row = await Repository(session, ExecutionRow).get(Scope(call.tenant, call.live), mine)
        given = dict(row.input_data) if row is not None else {}
        return {**given, "input": given, "initial_context": given}


def _field(parameter: ToolParameter) -> tuple[Any, Any]:
    described = Field(alias=parameter.name, description=parameter.description)
    kind = _TYPES[parameter.type]
    if parameter.required is False:
        return Annotated[kind | None, described], None
    return Annotated[kind, described], ...


def _renamed(tool: Tool, name: str, description: str | None) -> Tool:
    described = description or tool.description
    return Tool(name, described, tool.parameters, tool.function, tool.arguments, tool.context_parameter)


def _name(tool: AuthoredTool) -> str:
    """Return a name that providers of models accept; the end of it tells tools of one name apart."""
    words = re.sub(r"[^A-Za-z0-9_-]+", "_", tool.name).strip("_")[:_WORDS] or "tool"
    return f"{words}_{tool.uuid[:_PART]}"
