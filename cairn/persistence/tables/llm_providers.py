"""Table ``llm_providers``."""

from datetime import datetime

from sqlalchemy import LargeBinary, UniqueConstraint
from sqlmodel import Field

from cairn.contracts.json import Json
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class LlmProviderRow(TenantRow, table=True):
    """A key of a tenant's own for a provider of language models. The key is here as ciphertext alone.

    Attributes:
        provider: openai, azure, openrouter, anthropic or google; a tenant has one key for each.
        base_url: where it is asked; None: where the installation asks it.
        key_hint: the key's last characters.
        key_id: which key of the installation it is encrypted with.
        sealed: nonce and AES-256-GCM ciphertext.
        models: names of the models that may be used; empty: all of the provider.
        defaults: the model that a use case takes when none is named, by use case.
    """

    __tablename__ = "llm_providers"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("tenant", "live", "provider"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    uuid: str = Field(unique=True)
    provider: str
    base_url: str | None = None
    key_hint: str
    key_id: str
    sealed: bytes = Field(sa_type=LargeBinary)
    models: Json = Field(default_factory=list, sa_type=JsonDocument)
    defaults: Json = Field(default_factory=dict, sa_type=JsonDocument)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
