"""What must not be told: it is taken out of every log line, whoever wrote it, and out of what others repeat of it."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from cairn.settings import Settings

HIDDEN = "…"
_SHAPES = (
    # API keys: the first twelve characters are the public part, by which people know them.
    (re.compile(r"\b((?:omium|dgr|af|wf|omf_live|omf_test)_[A-Za-z0-9]{12})[A-Za-z0-9]{8,}"), rf"\1{HIDDEN}"),
    # Links that answer a request without a key.
    (re.compile(r"\b((?:appr|qst)_[0-9a-f]+\.\d+\.)[\w-]{20,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(bearer|basic) +[\w.~+/=-]{6,}", re.I), rf"\1 {HIDDEN}"),
    (
        re.compile(r"([?&][\w.%-]*(?:auth|credential|key|passw\w*|pwd|secret|sig|signature|token)=)[^&\s\"'\\]+", re.I),
        rf"\1{HIDDEN}",
    ),
    # Passwords in URLs; a name alone is a token there, where HTTP is spoken.
    (re.compile(r"(://[^/\s:@\"'\\]*:)[^@/\s\"'\\]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(\bhttps?://)[^/\s:@\"'\\?#]+@", re.I), rf"\1{HIDDEN}@"),
)
# Secrets that libraries read for themselves: models, Temporal, object stores, PostgreSQL, the collector of traces.
_ENVIRONMENT = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "TEMPORAL_API_KEY",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN", "PGPASSWORD",
)  # fmt: skip
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""Of `name=value,…` the values are secrets; the names, such as Authorization, are not."""
_SHORTEST = 8


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets, however it writes them; empty ones are none."""
    found = finding(secrets)
    return text if found is None else found.sub(HIDDEN, text)


def finding(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds secrets in a text; None when there are none.

    A text may have them as they are, as JSON or Python writes them (with backslashes, also of a text in a text), as
    URLs do (with percent signs) or as HTML does (as entities).
    """
    longest_first = sorted({each for each in secrets if each}, key=len, reverse=True)
    return re.compile("|".join(map(_forms, longest_first))) if longest_first else None


def _forms(secret: str) -> str:
    # No match begins within backslashes: a text full of them would be read anew from each.
    begin = "" if _is_plain(secret[0]) else r"(?<!\\)"
    return begin + "".join(map(_forms_of, re.findall(r"\\+|[^\\]", secret, re.DOTALL)))


def _forms_of(part: str) -> str:
    """Return what finds one character, or some backslashes in a row: how many these become, depends."""
    char = part[0]
    if _is_plain(char):
        return char
    code, encoded = ord(char), char.encode(errors="surrogatepass")
    escapes = {rf"\{char}", rf"\u{code:04x}", rf"\x{code:02x}", json.dumps(char)[1:-1], repr(encoded)[2:-1]}
    forms = {_spelled(each, "\\", r"\\*+") for each in escapes - {r"\\"}}
    forms |= {_spelled(quote(encoded, safe=""), "%", "%(?:25)*"), re.escape(quote_plus(encoded))}
    forms |= {re.escape(html.escape(char)), f"&#0*+{code};", f"&#x0*+{code:x};"}
    if char != "\\":
        return rf"(?i:{'|'.join(sorted(forms))})"
    return rf"(?i:{'|'.join(sorted(forms - {re.escape(char)}))}|\\++)++"


def _spelled(text: str, mark: str, marks: str) -> str:
    """Return what finds an escape whose mark may have been escaped in its turn."""
    return marks.join(map(re.escape, text.split(mark)))


def _is_plain(char: str) -> bool:
    return char.isascii() and char.isalnum()


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
        self._known = finding(known)

    def __call__(self, line: str) -> str:
        """Return a line without secrets."""
        if self._known is not None:
            line = self._known.sub(HIDDEN, line)
        for shape, shown in _SHAPES:
            line = shape.sub(shown, line)
        return line
