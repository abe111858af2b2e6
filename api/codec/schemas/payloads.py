"""Payloads in the JSON form of Temporal's protocol buffers: bytes are base64."""

from __future__ import annotations

from typing import Annotated

from google.protobuf import json_format
from pydantic import BaseModel, ConfigDict, Field
from temporalio.api.common.v1 import Payload as Message
from temporalio.api.common.v1 import Payloads as Messages

from cairn.errors import BadRequest

_SIGN = "[A-Za-z0-9+/_-]"
Base64 = Annotated[str, Field(pattern=f"^({_SIGN}{{4}})*({_SIGN}{{2}}(==)?|{_SIGN}{{3}}=?)?$", description="Base64.")]


class Stored(BaseModel):
    """Size of a payload that lies outside of history."""

    sizeBytes: str = Field(default="0", pattern="^[0-9]{1,18}$", description="Bytes, in decimal.")


class Payload(BaseModel):
    """One payload."""

    model_config = ConfigDict(extra="ignore")

    metadata: dict[str, Base64] = Field(default_factory=dict, description="`encoding` says the form of the data.")
    data: Base64 = ""
    externalPayloads: list[Stored] = Field(default_factory=list[Stored])


class Payloads(BaseModel):
    """Payloads, in order."""

    payloads: list[Payload] = Field(default_factory=list[Payload])

    def messages(self) -> list[Message]:
        """Return the protocol buffers.

        Raises:
            BadRequest: some text is not Unicode.
        """
        try:
            return list(json_format.ParseDict(self.model_dump(), Messages()).payloads)
        except json_format.ParseError as error:
            raise BadRequest(f"These are no payloads: {str(error).partition(chr(10))[0]}") from error

    @classmethod
    def of(cls, messages: list[Message]) -> Payloads:
        """Return the JSON form."""
        return cls.model_validate(json_format.MessageToDict(Messages(payloads=messages)))
