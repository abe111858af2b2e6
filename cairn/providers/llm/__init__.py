"""Language models, behind one registry: ``openai:…``, ``anthropic:…``, ``google:…``, ``local`` and ``offline``."""

from cairn.providers.llm.model import LanguageModel, ModelConfigError, ModelLimit
from cairn.providers.llm.own import OwnModel
from cairn.providers.llm.registry import LanguageModels, provider_of

__all__ = ["LanguageModel", "LanguageModels", "ModelConfigError", "ModelLimit", "OwnModel", "provider_of"]
