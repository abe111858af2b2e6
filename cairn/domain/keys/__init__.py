"""API keys: making, checking, revoking."""

from cairn.domain.keys.secret import load_secret, secret_source
from cairn.domain.keys.service import KeyService, authenticate
from cairn.domain.keys.token import PREFIXES

__all__ = ["PREFIXES", "KeyService", "authenticate", "load_secret", "secret_source"]
