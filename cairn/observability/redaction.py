"""What must not stand in a log: it is taken out of every line, whoever wrote it."""

from __future__ import annotations

import os
import re

from pydantic import SecretStr

from cairn.settings import Settings

HIDDEN = "…"
_SHAPES = (
    # API keys: the first twelve characters are the public part, by which people know them.
    (re.compile(r"\b((?:omium|dgr|af|wf|omf_live|omf_test)_[A-Za-z0-9]{12})[A-Za-z0-9]{8,}"), rf"\1{HIDDEN}"),
    # Links that answer a request without a key.
    (re.compile(r"\b((?:appr|qst)_[0-9a-f]+\.\d+\.)[\w-]{20,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(bearer|basic) +[\w.~+/=-]{6,}", re.I), rf"\1 {HIDDEN}"),
    (re.compile(r"([?&](?:signature|token|key|api_?key|access_token)=)[^&\s\"'\\]+", re.I), rf"\1{HIDDEN}"),
    # Passwords in URLs.
    (re.compile(r"(://[^/\s:@\"'\\]*:)[^@/\s\"'\\]+@"), rf"\1{HIDDEN}@"),
)
# Secrets that libraries read for themselves: models, Temporal, object stores, PostgreSQL, the collector of traces.
_ENVIRONMENT = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "TEMPORAL_API_KEY",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN", "PGPASSWORD",
)  # fmt: skip
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""Of `name=value,…` the values are secrets; the names, such as Authorization, are not."""
_SHORTEST = 8


class Redaction:
    """Hides this installation's own secrets by their values, others by their shape."""

    def __init__(self, settings: Settings) -> None:
        """Take what the installation is configured with."""
        values = [getattr(settings, name) for name in type(settings).model_fields]
        texts = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        texts += [os.environ.get(name, "") for name in _ENVIRONMENT]
        texts += [each.partition("=")[2] for name in _HEADERS for each in os.environ.get(name, "").split(",")]
        # Of several keys in one setting each is a secret.
        known = {part for text in texts for part in (text, *re.split(r"[\s,:]+", text)) if len(part) >= _SHORTEST}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def __call__(self, line: str) -> str:
        """Return a line without secrets."""
        if self._known is not None:
            line = self._known.sub(HIDDEN, line)
        for shape, shown in _SHAPES:
            line = shape.sub(shown, line)
        return line
