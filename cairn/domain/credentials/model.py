"""Credentials as callers see them, and what each kind of secret consists of."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from cairn.contracts.json import JsonObject
from cairn.errors import FieldError, InvalidInput
from cairn.persistence.tables import CredentialRow

CredentialKind = Literal["none", "api_key", "bearer_token", "basic_auth", "custom_header"]

HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$")]
# What a header's value may hold (RFC 9110): printable ASCII, spaces inside.
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[!-~](?:[ -~]*[!-~])?$", max_length=8192)]


class _Secret(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    def headers(self) -> dict[str, str]:
        """Return the headers that carry the secret."""
        return {}


class NoSecret(_Secret):
    """Nothing is sent along."""


class ApiKey(_Secret):
    """A key in a header."""

    header_name: HeaderName = "X-API-Key"
    api_key: HeaderValue

    def headers(self) -> dict[str, str]:
        """The key."""
        return {self.header_name: self.api_key}


class BearerToken(_Secret):
    """A token as ``Authorization: Bearer``."""

    token: HeaderValue

    def headers(self) -> dict[str, str]:
        """The token."""
        return {"Authorization": f"Bearer {self.token}"}


class BasicAuth(_Secret):
    """User and password as ``Authorization: Basic`` (RFC 7617, in UTF-8)."""

    username: Annotated[str, StringConstraints(pattern=r"^[^:\x00-\x1f\x7f]*$", max_length=1024)]
    password: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=1024)]

    def headers(self) -> dict[str, str]:
        """User and password."""
        pair = f"{self.username}:{self.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


class CustomHeader(_Secret):
    """Any one header."""

    header_name: HeaderName
    header_value: HeaderValue

    def headers(self) -> dict[str, str]:
        """The header."""
        return {self.header_name: self.header_value}


Secret = NoSecret | ApiKey | BearerToken | BasicAuth | CustomHeader

SECRETS: dict[str, type[Secret]] = {
    "none": NoSecret,
    "api_key": ApiKey,
    "bearer_token": BearerToken,
    "basic_auth": BasicAuth,
    "custom_header": CustomHeader,
}
"""What the secret of each kind consists of."""


def read_secret(kind: str, data: JsonObject) -> Secret:
    """Return the secret of a kind.

    Raises:
        InvalidInput: the data is not that of the kind; nothing of it is repeated in the message.
    """
    try:
        return SECRETS[kind].model_validate(data)
    except ValidationError as error:
        errors = [
            FieldError("/credential_data" + "".join(f"/{part}" for part in each["loc"]), each["msg"])
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidInput(f"The data is not that of a credential {kind}.", errors=errors) from None


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential without its secret."""

    uuid: str
    name: str
    description: str | None
    kind: CredentialKind
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: CredentialRow) -> Credential:
        """Make it of its row."""
        kind = cast("CredentialKind", row.kind)
        return cls(row.uuid, row.name, row.description, kind, row.created_at, row.updated_at)
