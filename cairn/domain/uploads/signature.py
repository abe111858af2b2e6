"""The signature in the link of an upload."""

from __future__ import annotations

import base64
import hashlib
import hmac

_PURPOSE = b"cairn: link of an upload"


def sign(secret: bytes, file_key: str, expires: int) -> str:
    """Return the signature that lets a file of this name be sent until then (seconds since 1970)."""
    key = hmac.new(secret, _PURPOSE, hashlib.sha256).digest()
    made = hmac.new(key, f"{expires}\n{file_key}".encode(errors="replace"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def is_signed(secret: bytes, file_key: str, expires: int, signature: str) -> bool:
    """Whether the signature is ours."""
    return hmac.compare_digest(sign(secret, file_key, expires).encode(), signature.encode(errors="replace"))
