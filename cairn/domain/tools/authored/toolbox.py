"""The tools that a node of a call names by uuid, ready to be called by a model."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any

from pydantic import ConfigDict, Field, create_model
from sqlmodel import col

from cairn.contracts.json import Json, JsonObject
from cairn.domain.credentials import CredentialHeaders
from cairn.domain.tools.authored.calls import CALL, NamedCalls
from cairn.domain.tools.authored.definition import HttpApi, ToolParameter
from cairn.domain.tools.authored.model import AuthoredTool
from cairn.domain.tools.authored.request import HttpRequests, names_read
from cairn.domain.tools.authored.service import ToolService
from cairn.domain.tools.registry import ToolRegistry, UnknownTool
from cairn.domain.tools.tool import Tool, ToolContext
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow
from cairn.providers.sandbox import Sandbox, SandboxInForce
from cairn.settings import Settings

_TYPES: dict[str, Any] = {"string": str, "number": float, "boolean": bool, "object": JsonObject, "array": list[Any]}
_WORDS, _PART = 55, 8
_NAMED = re.compile(r".{1,55}_([0-9a-f]{8})")
_CALCULATE = "calculate"


class Toolbox:
    """Opens the tools of tenants: those of the installation and those that authors made."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        registry: ToolRegistry,
        credentials: CredentialHeaders,
        sandbox: Sandbox | None = None,
    ) -> None:
        """Take where tools are kept, and what they work with."""
        self._database = database
        self._registry = registry
        self._requests = HttpRequests(settings, credentials)
        self._calls = NamedCalls(settings, self._requests, sandbox or SandboxInForce(settings))

    async def open(self, tenant: str, live: bool, tools: Collection[str]) -> ToolRegistry:
        """Return the tools of some uuids, each under a name that a model can call it by.

        Archived ones are left out, and those that a person has to approve: in calls nobody is asked.

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
        return ToolRegistry(self._tool(each) for each in found if each.status == "active" and not _guarded(each))

    async def named(self, tenant: str, live: bool, names: Collection[str]) -> list[Tool]:
        """Return the tools of some names, each once; those that the tenant has taken out of use are left out.

        Raises:
            UnknownTool: there is none of a name, and never was.
        """
        wanted = list(dict.fromkeys(names))
        others = [name for name in wanted if name not in self._registry]
        found, gone = await self._named(tenant, live, others) if others else ({}, frozenset[str]())
        missing = [name for name in others if name not in found and name not in gone]
        if missing:
            raise UnknownTool(missing[0], [*self._registry.names(), *found])
        left = [name for name in wanted if name not in gone]
        return [self._tool(found[name]) if name in found else self._registry.get(name) for name in left]

    async def _named(
        self, tenant: str, live: bool, names: Collection[str]
    ) -> tuple[dict[str, AuthoredTool], frozenset[str]]:
        """Return the tools of some names, and the names of those that are out of use."""
        async with self._database.session() as session:
            service = ToolService(session, Scope(tenant, live), None, self._registry)
            found = await service.named(names)
            left = [name for name in names if name not in found]
            return found, await service.once_named(left) if left else frozenset()

    async def registry_for(self, tenant: str, live: bool, name: str) -> ToolRegistry:
        """Return where a tool is that a graph or a model calls by a name; without any, the installation's tools."""
        if name in self._registry:
            return self._registry
        found = await self.find(tenant, live, name)
        return found if found.names() else self._registry

    async def find(self, tenant: str, live: bool, name: str) -> ToolRegistry:
        """Return an author's tool by its name, or by the one that ``open`` gave it; nothing when there is none."""
        async with self._database.session() as session:
            service = ToolService(session, Scope(tenant, live), None, self._registry)
            own = await service.named([name])
            if not own and (begun := _NAMED.fullmatch(name)) is not None:
                own = {each.uuid: each for each in await service.begin_with(begun.group(1)) if _name(each) == name}
        return ToolRegistry(self._tool(each) for each in own.values())

    def _tool(self, authored: AuthoredTool) -> Tool:
        if authored.category == "native":
            return self._registry.get(authored.name)
        if (spec := authored.spec) is not None:
            return self._calls.tool(spec)
        if authored.category == "calculator":
            return _renamed(self._registry.get(_CALCULATE), _name(authored), authored.description)
        config = HttpApi.model_validate(authored.definition).config

        async def send(**arguments: Json) -> Json:
            call: ToolContext = arguments.pop(CALL)
            given = await self._given(call) if config.preset_parameters else {}
            return await self._requests.send(config, arguments, given, call)

        name, parameters = _name(authored), config.parameters or []
        fields: dict[str, Any] = {f"p{i}": _field(each) for i, each in enumerate(parameters)}
        arguments: Any = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        schema: JsonObject = arguments.model_json_schema()
        schema.pop("title", None)
        described, reads = authored.description or authored.name, names_read(config)
        return Tool(name, described, schema, send, arguments, CALL, reads)

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


def _guarded(tool: AuthoredTool) -> bool:
    return bool(tool.definition.get("require_approval"))


def _renamed(tool: Tool, name: str, description: str | None) -> Tool:
    return replace(tool, name=name, description=description or tool.description)


def _name(tool: AuthoredTool) -> str:
    """Return a name that providers of models accept; the end of it tells tools of one name apart."""
    if tool.called is not None:
        return tool.called
    words = re.sub(r"[^A-Za-z0-9_-]+", "_", tool.name).strip("_")[:_WORDS] or "tool"
    return f"{words}_{tool.uuid[:_PART]}"
