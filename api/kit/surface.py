"""A surface: one documented API over the domain. It is data; its routes are its only code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel

from cairn.contracts.json import Json, JsonObject

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.kit.context import Context
    from api.kit.problem import Problem
    from cairn.domain.principal import Principal

Authenticate = Callable[["Request", "Context"], Awaitable["Principal"]]


@dataclass(frozen=True, slots=True)
class Surface:
    """What is particular to one documented API.

    Attributes:
        name: its first path segment and the name of its OpenAPI document.
        title: of its OpenAPI document.
        description: of its OpenAPI document.
        authenticate: who calls; raises ``Unauthenticated``.
        render: body of an error.
        problem: model of that body.
        validation_problem: model of that body when values of the request are wrong.
        rate_limit: requests a key may make, for example ``60/minute``; None: as the settings say.
        examples: what its OpenAPI document shows of a model: by its name, or the end of that.
    """

    name: str
    title: str
    description: str
    authenticate: Authenticate
    render: Callable[[Problem], JsonObject]
    problem: type[BaseModel]
    validation_problem: type[BaseModel]
    rate_limit: str | None = None
    examples: JsonObject = field(default_factory=dict[str, Json])
