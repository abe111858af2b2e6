"""The servers that mcp nodes may call: a JSON file of the operator, in the form ``mcpServers`` that clients share."""

from __future__ import annotations

import json
import os
import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from cairn.errors import plain_message
from cairn.providers.request_secrets import in_headers, in_request, is_secret
from cairn.settings import Settings

_SHORTEST = 8
"""Characters of a secret among variables and arguments: shorter ones are words such as ``info``."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class McpConfigError(ValueError):
    """The servers' file, or a server in it, cannot be used; trying again does not help."""


class UnknownServer(Exception):
    """No server of this name is configured."""


class StdioServer(BaseModel):
    """A program that is started for each call and speaks over its standard streams.

    Attributes:
        command: the program.
        args: of the program.
        env: variables besides a few harmless ones of the worker's own.
        cwd: folder to start it in.
    """

    model_config = ConfigDict(extra="ignore")

    type: Literal["stdio"] = "stdio"
    command: str = Field(min_length=1)
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None

    @property
    def secrets(self) -> set[str]:
        """What nobody but the program should know: variables, and arguments that are named as secrets are."""
        pairs = zip(["", *self.args], self.args, strict=False)
        given = {each for before, each in pairs if before.startswith("-") and is_secret(before)}
        named = {value for name, _, value in (each.partition("=") for each in self.args) if is_secret(name)}
        known = (*self.env.values(), *given, *named)
        # A key of several lines is also told line by line.
        return {part for each in known for part in (each, *each.splitlines()) if len(part) >= _SHORTEST}


class HttpServer(BaseModel):
    """A server that speaks streamable HTTP.

    Attributes:
        url: of its endpoint.
        headers: sent with every request.
    """

    model_config = ConfigDict(extra="ignore")

    type: Literal["http"] = "http"
    url: str = Field(pattern=r"^https?://[^/]+")
    headers: dict[str, str] = Field(default_factory=dict)

    @property
    def secrets(self) -> set[str]:
        """What nobody but the server should know: its headers, and what its URL has."""
        return in_headers(self.headers) | in_request(self.url, {})


Server: TypeAlias = StdioServer | HttpServer


class _File(BaseModel):
    servers: dict[str, Annotated[StdioServer | HttpServer, Field(discriminator="type")]] = Field(alias="mcpServers")

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, data: Any) -> Any:
        """Give each server its type, which most files leave out or spell differently."""
        servers = data.get("mcpServers") if isinstance(data, dict) else None  # pyright: ignore
        if not isinstance(servers, dict):
            return data  # pyright: ignore
        return {"mcpServers": {name: _typed(each) for name, each in servers.items()}}  # pyright: ignore


def _typed(server: Any) -> Any:
    if not isinstance(server, dict):
        return server
    kind = server.get("type", "stdio" if "command" in server else "http")  # pyright: ignore
    spelling = {"streamable-http": "http", "streamableHttp": "http", "streamable_http": "http"}
    return {**server, "type": spelling.get(str(kind), kind)}  # pyright: ignore


_ADAPTER = TypeAdapter(_File)


def find_server(settings: Settings, name: str) -> Server:
    """Return a configured server, with ``${NAME}`` in its values replaced by variables of the environment.

    Raises:
        UnknownServer: there is none of this name.
        McpConfigError: the file cannot be used, or a variable is not set.
    """
    servers = _read(settings)
    if name not in servers:
        known = ", ".join(sorted(servers)) or "none"
        raise UnknownServer(f"No MCP server {name!r} is configured by CAIRN_MCP_SERVERS; there are: {known}")
    found = servers[name]
    return type(found).model_validate(_expanded(found.model_dump(), name))


def server_names(settings: Settings) -> frozenset[str]:
    """Return the names of the configured servers.

    Raises:
        McpConfigError: the file cannot be used.
    """
    return frozenset(_read(settings))


def _read(settings: Settings) -> dict[str, Server]:
    path = settings.mcp_servers
    if path is None:
        return {}
    try:
        return dict(_ADAPTER.validate_python(json.loads(path.read_text())).servers)
    except (OSError, ValueError) as error:
        raise McpConfigError(f"CAIRN_MCP_SERVERS ({path}) cannot be used: {_told(error)}") from error


def _told(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    # Without the values: they may be secrets.
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {plain_message(first)}"


def _expanded(value: Any, server: str) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _variable(match[1], server), value)
    if isinstance(value, list):
        return [_expanded(each, server) for each in value]  # pyright: ignore
    if isinstance(value, dict):
        return {key: _expanded(each, server) for key, each in value.items()}  # pyright: ignore
    return value


def _variable(name: str, server: str) -> str:
    if name not in os.environ:
        raise McpConfigError(f"The MCP server {server!r} needs the variable {name}, which is not set for the worker")
    return os.environ[name]
