"""qa: a model judges a call that has ended."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import Field

from cairn.graph.nodes.base import NodeData, NodeKind, Sources

QA = "qa"

MODEL_PROVIDERS = ("openai", "azure", "openrouter", "anthropic", "google")
"""Providers whose models a review may be asked of with a key of its author."""
_OWN_KEYS_ONLY = ("azure", "openrouter")  # the installation has none of these
_OF_THE_INSTALLATION = ("local", "offline")
_URL = re.compile(r"https?://[^\s/?#@]+(?:[/?][!-~]*)?", re.ASCII)
_KEY = re.compile(r"[!-~]{1,8192}")


class QaData(NodeData):
    """Data of the judgement of a call.

    Attributes:
        qa_enabled: without it no call is judged.
        qa_use_workflow_llm: the model of the deployment judges.
        qa_provider: else this provider.
        qa_model: and this model.
        qa_api_key: with this key.
        qa_endpoint: at this base URL.
        qa_system_prompt: text; how to judge.
        qa_min_call_duration: seconds; shorter calls are not judged.
        qa_voicemail_calls: those that a mailbox took are judged too.
        qa_sample_rate: per cent of the calls.
    """

    qa_enabled: bool = True
    qa_use_workflow_llm: bool = True
    qa_provider: str | None = None
    qa_model: str | None = None
    qa_api_key: str | None = None
    qa_endpoint: str | None = None
    qa_system_prompt: str | None = None
    qa_min_call_duration: int = Field(default=15, ge=0)
    qa_voicemail_calls: bool = False
    qa_sample_rate: int = Field(default=100, ge=1, le=100)


def named_model(data: QaData) -> str | None:
    """Return the model that a review names, as ``provider:model``; None when it names none."""
    model, provider = (data.qa_model or "").strip(), (data.qa_provider or "").strip()
    if model == "default":  # what public clients write when nothing was chosen
        model = ""
    if not provider or model.startswith(f"{provider}:"):
        return model or (provider if provider in _OF_THE_INSTALLATION else None)
    return provider if provider in _OF_THE_INSTALLATION and not model else f"{provider}:{model}" if model else None


class QaKind(NodeKind[QaData]):
    """A kind that judges the call."""

    def problems(self, data: QaData) -> Iterable[tuple[str, str]]:
        """A model of one's own is named in full, and can be asked."""
        if data.qa_use_workflow_llm or not data.qa_enabled:
            return
        named = named_model(data)
        provider = (data.qa_provider or "").strip() or (named or "").partition(":")[0]
        if named is None:
            yield "qa_model", "Model is required when the workflow's model is not used"
        if provider in _OF_THE_INSTALLATION:
            given = (name for name in ("qa_api_key", "qa_endpoint") if getattr(data, name))
            yield from ((name, f"The provider '{provider}' takes none") for name in given)
        elif provider in MODEL_PROVIDERS:
            yield from _access_problems(data, provider)
        elif provider:
            yield "qa_provider", f"Unknown provider '{provider[:100]}': it is one of {', '.join(MODEL_PROVIDERS)}"

    def texts(self, data: QaData) -> Sources:
        """How to judge."""
        yield "qa_system_prompt", data.qa_system_prompt or ""


def _access_problems(data: QaData, provider: str) -> Iterable[tuple[str, str]]:
    if data.qa_endpoint and not _URL.fullmatch(data.qa_endpoint):
        yield "qa_endpoint", "Endpoint is no http or https URL"
    if provider == "azure" and not data.qa_endpoint:
        yield "qa_endpoint", "Endpoint is required for azure"
    if data.qa_api_key and not _KEY.fullmatch(data.qa_api_key):
        yield "qa_api_key", "API key holds what no key can"
    # What the installation has for a provider is not sent elsewhere.
    if not data.qa_api_key and (provider in _OWN_KEYS_ONLY or (data.qa_endpoint and provider != "openai")):
        yield "qa_api_key", f"API key is required for {provider}"
