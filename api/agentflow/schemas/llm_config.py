"""A tenant's keys for providers of models: what comes in has the key, what goes out has not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.kit.body import Body
from cairn.domain.llm import model
from cairn.providers.llm.probe import Probe

Provider = Literal["openai", "azure", "openrouter", "anthropic", "google"]
Mode = Literal["platform", "byok"]
# What a header's value may hold (RFC 9110), since it travels in one.
ApiKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=8192, pattern=r"^[!-~]+$"),
    Field(description="The provider's key. It is encrypted and never shown again.", examples=["sk-your-own-key-abcd"]),
]
BaseUrl = Annotated[
    str | None,
    Field(
        max_length=2048,
        description="Where the provider is asked: a public address, unless the installation allows others. Azure needs "
        "that of its resource; a server that speaks OpenAI's API is provider `openai` at its base URL.",
    ),
]
ModelName = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]


class TestKey(Body):
    """A key to try."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"provider": "openai", "api_key": "sk-your-own-key"}]})

    provider: Provider
    api_key: ApiKey
    base_url: BaseUrl = None


class SaveProvider(Body):
    """Keep a key and the policy for its models. What was kept for the provider before is replaced."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "provider": "openai",
                    "api_key": "sk-your-own-key-abcd",
                    "models": ["gpt-5.2", "gpt-4o-mini"],
                    "defaults": {"chat": "gpt-5.2", "autocomplete": "gpt-4o-mini"},
                }
            ]
        }
    )

    provider: Provider
    api_key: ApiKey
    base_url: BaseUrl = None
    models: list[ModelName] | None = Field(
        default=None, max_length=200, description="The only models of the provider that may be used; none: all."
    )
    defaults: dict[str, ModelName] | None = Field(
        default=None, description="Models of this provider by use case; see `GET /api/v1/llm/config/model-options`."
    )


class SwitchMode(Body):
    """Whose keys are used."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mode": "platform"}]})

    mode: Mode = Field(description="`platform`: those of the installation; `byok`: the tenant's own.")


class ProviderConfig(BaseModel):
    """A key of the tenant's own, without the key."""

    uuid: str
    provider: Provider
    base_url: str | None
    key_hint: str = Field(description="The key's last characters.", examples=["…abcd"])
    models: list[str] = Field(description="The only models that may be used; empty: all of the provider.")
    default_for: list[str] = Field(description="Use cases whose default is a model of this provider.")
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")

    @classmethod
    def of(cls, kept: model.ProviderConfig) -> ProviderConfig:
        """Make it of what is kept."""
        return cls.model_validate(kept, from_attributes=True)


class LlmConfig(BaseModel):
    """Whose keys direct calls of models use, and the policy."""

    mode: Mode
    providers: list[ProviderConfig]
    allowlist: list[str] = Field(
        description="Ids of the only models that may be used of the providers that have a list, in either mode."
    )
    defaults: dict[str, str] = Field(
        description="Ids of models by use case, taken in mode `byok` when a call names none; "
        "in mode `platform` the installation's default model is."
    )

    @classmethod
    def of(cls, config: model.Config) -> LlmConfig:
        """Make it of what is kept."""
        kept = [ProviderConfig.of(each) for each in config.providers]
        return cls(mode=config.mode, providers=kept, allowlist=config.allowlist, defaults=config.defaults)


class TestedKey(BaseModel):
    """What the provider said to the key."""

    valid: bool
    error: str | None = Field(description="Why the key cannot be used.")
    latency_ms: float
    models: list[str] | None = Field(description="Models that the key opens, when the provider lists them.")

    @classmethod
    def of(cls, probe: Probe) -> TestedKey:
        """Make it of what was found."""
        return cls.model_validate(probe, from_attributes=True)
