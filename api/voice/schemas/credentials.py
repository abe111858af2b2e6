"""Credentials: what comes in has the secret, what goes out has not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.kit.body import Body
from api.kit.names import Name
from cairn.contracts.json import JsonObject
from cairn.domain.credentials import Credential as Kept
from cairn.domain.credentials import CredentialKind
from cairn.domain.credentials.model import SECRETS

_DATA = (
    "By the type: bearer_token {token}; basic_auth {username, password}; api_key {api_key, header_name?}; "
    "custom_header {header_name, header_value}; none {}."
)
_TOGETHER = ("credential_type", "credential_data")


def _of_its_type(kind: str) -> JsonObject:
    secret = SECRETS[kind].model_json_schema()
    return {"properties": {"credential_type": {"const": kind}, "credential_data": secret}, "required": [*_TOGETHER]}


def _document_types(schema: dict[str, Any]) -> None:
    """Say which data belongs to which type; where both may be left out, they are left out together."""
    schema["anyOf"] = [_of_its_type(kind) for kind in SECRETS]
    if "credential_type" not in schema.get("required", ()):
        schema["anyOf"].append({"properties": {name: {"type": "null"} for name in _TOGETHER}})


class CreateCredential(Body):
    """Keep a secret."""

    model_config = ConfigDict(json_schema_extra=_document_types)

    name: Name
    description: str | None = Field(default=None, max_length=2000)
    credential_type: CredentialKind
    credential_data: JsonObject = Field(description=_DATA, examples=[{"token": "a-token"}])


class UpdateCredential(Body):
    """Change what is given; the secret is replaced by type and data together."""

    model_config = ConfigDict(json_schema_extra=_document_types)

    name: Name | None = None
    description: str | None = Field(default=None, max_length=2000)
    credential_type: CredentialKind | None = None
    credential_data: JsonObject | None = Field(default=None, description=_DATA)

    @model_validator(mode="after")
    def _together(self) -> UpdateCredential:
        if (self.credential_type is None) != (self.credential_data is None):
            raise ValueError("credential_type and credential_data are given together")
        return self


class Credential(BaseModel):
    """A credential; its secret is never shown."""

    uuid: str
    name: str
    description: str | None
    credential_type: CredentialKind
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, kept: Kept) -> Credential:
        """Make it of what is kept."""
        return cls(
            uuid=kept.uuid,
            name=kept.name,
            description=kept.description,
            credential_type=kept.kind,
            created_at=kept.created_at,
            updated_at=kept.updated_at,
        )


class DeletedCredential(BaseModel):
    """A credential that is gone."""

    status: str = "deleted"
    uuid: str
