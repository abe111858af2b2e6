"""The text of an API key: ``omium_`` + public part + secret part."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string

PREFIXES = ("omium_", "dgr_", "af_", "wf_", "omf_live_", "omf_test_")
"""Beginnings of keys. They say nothing about where a key works, only two of them about what it opens."""

_ALPHABET = string.ascii_letters + string.digits
_PUBLIC, _SECRET = 12, 32


def make_token(prefix: str) -> str:
    """Return a new key; its secret part has 190 bits of chance."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_PUBLIC + _SECRET))


def public_part(token: str) -> str | None:
    """Return the beginning by which a key is found and shown, None when the text cannot be a key."""
    for prefix in PREFIXES:
        rest = token.removeprefix(prefix)
        if rest != token and len(rest) == _PUBLIC + _SECRET and rest.isascii() and rest.isalnum():
            return token[:-_SECRET]
    return None


def hash_token(token: str, secret: bytes) -> bytes:
    """Return the keyed hash that is kept in place of the key."""
    return hmac.new(secret, token.encode(errors="replace"), hashlib.sha256).digest()
