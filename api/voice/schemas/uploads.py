"""Uploads as voice takes and shows them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import Body

_AUDIO = r"^[Aa][Uu][Dd][Ii][Oo]/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,99}( *;[\x20-\x7e]*)?$"


class AmbientNoiseUpload(Body):
    """Ask for a link to upload a file of noise."""

    filename: str = Field(
        min_length=1, max_length=255, description="Folders and characters that are special somewhere are left out."
    )
    content_type: str = Field(max_length=255, pattern=_AUDIO, description="A type of audio.")

    model_config = ConfigDict(
        json_schema_extra={"example": {"filename": "office-background.mp3", "content_type": "audio/mpeg"}}
    )


class UploadLink(BaseModel):
    """Where to send a file."""

    upload_url: str = Field(description="Takes the file by PUT, once, as it is.")
    file_key: str = Field(description="For `ambient_noise_configuration.storage_key`.")
    expires_at: datetime = Field(description="The link ends after 30 minutes.")


class UploadedFile(BaseModel):
    """A file that was stored."""

    model_config = ConfigDict(from_attributes=True)

    file_key: str
    content_type: str
    size: int = Field(description="Bytes.")
