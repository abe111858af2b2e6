"""What an author's tool does, by its category."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from cairn.contracts.json import JsonObject, integral
from cairn.domain.credentials.model import HeaderName

JsonType = Literal["string", "number", "boolean", "object", "array"]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=8192)]
Headers = Annotated[dict[HeaderName, HeaderText], Field(json_schema_extra={"additionalProperties": False})]


_PORT = r"(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
HttpUrl = Annotated[
    str,
    StringConstraints(
        max_length=2048, pattern=rf"^https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::{_PORT})?(?:[/?#][!-~]*)?$"
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class ToolParameter(_Part):
    """A parameter that the model gives."""

    name: ParameterName
    type: JsonType
    description: str = Field(max_length=2000)
    required: bool | None = True


class PresetParameter(_Part):
    """A parameter that the call gives; the model does not see it."""

    name: ParameterName
    type: JsonType
    value_template: str = Field(
        max_length=8192, description="A text over the call's context, for example {{initial_context.phone_number}}."
    )
    required: bool | None = True


class HttpApiConfig(_Part):
    """One HTTP request. GET and DELETE carry the parameters in the query, other methods as a JSON body."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: HttpUrl
    headers: Headers | None = None
    credential_uuid: str | None = Field(default=None, description="A credential whose headers the request carries.")
    parameters: list[ToolParameter] | None = Field(default=None, max_length=64)
    preset_parameters: list[PresetParameter] | None = Field(default=None, max_length=64)
    timeout_ms: Annotated[int, Field(ge=1, le=300_000), BeforeValidator(integral)] | None = 5000
    customMessage: str | None = Field(default=None, max_length=2000)
    customMessageType: Literal["text", "audio"] | None = None
    customMessageRecordingId: str | None = None


class HttpApi(_Part):
    """A tool that sends a request."""

    schema_version: Annotated[int, BeforeValidator(integral)] | None = 1
    type: Literal["http_api"]
    config: HttpApiConfig


class Calculator(_Part):
    """A tool that calculates: the installation's `calculate`, under a name of the author's."""

    schema_version: Annotated[int, BeforeValidator(integral)] | None = 1
    type: Literal["calculator"]


ToolDefinition = Annotated[HttpApi | Calculator, Field(discriminator="type")]
"""What can be made over the API."""


class Native(_Part):
    """A tool of the installation's modules, as it is listed."""

    schema_version: int = 1
    type: Literal["native"] = "native"
    config: JsonObject
