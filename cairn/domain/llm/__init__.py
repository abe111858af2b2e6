"""Language models for a tenant: which it may use, with whose keys, and direct calls of them."""

from cairn.domain.llm.model import BYO_PROVIDERS, USE_CASES, Choice, Config, Mode, ProviderConfig
from cairn.domain.llm.service import LlmConfigService

__all__ = ["BYO_PROVIDERS", "USE_CASES", "Choice", "Config", "LlmConfigService", "Mode", "ProviderConfig"]
