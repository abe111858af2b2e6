"""Encryption of payloads, so that Temporal and the storage of large payloads see ciphertext alone.

AES-256-GCM with a random nonce for every payload. Equal payloads do not look equal, so nothing of them leaks; the
price is that they are not stored as one either. What is authenticated along is the key's id. What stays in the clear:
see ``docs/operations.md``.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from cairn.errors import CairnError, InvalidInput, Unavailable
from cairn.settings import Settings

ENCODING = b"binary/encrypted"
PLAIN = "plain"
"""Entry of the list of keys that stands for no key: first in it, new payloads are not encrypted."""

_CIPHER = b"AES-256-GCM"
_KEY_ID = "encryption-key-id"
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 12, 16
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class PayloadKeyUnknown(Unavailable):
    """A payload is encrypted with a key that this process has not."""

    code = "payload_key_unknown"


class PayloadDamaged(CairnError):
    """A payload does not decrypt: it was changed, or the key under its id is another one than it was made with."""

    code = "payload_damaged"


class PayloadKeys:
    """The keys of this process. No part of a key is in any text that this class makes."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        """Take the keys.

        Args:
            keys: ids and keys of 32 bytes. The first encrypts; all decrypt. The id ``plain`` has no key.
        """
        self._ciphers = {name: AESGCM(key) for name, key in keys if name != PLAIN}
        self.first = keys[0][0] if keys and keys[0][0] != PLAIN else None
        """Id of the key that encrypts; None: new payloads stay plain."""

    def __repr__(self) -> str:
        return f"PayloadKeys({', '.join(self._ciphers)})"

    @property
    def ids(self) -> list[str]:
        """Ids of the keys that decrypt."""
        return list(self._ciphers)

    @classmethod
    def of(cls, settings: Settings) -> PayloadKeys:
        """Read the keys that the settings name; none are named by default.

        Raises:
            InvalidInput: the list is wrong; the message says where, and nothing of what stands there.
        """
        text, file = settings.payload_keys, settings.payload_keys_file
        if text is not None and file is not None:
            raise InvalidInput("Set CAIRN_PAYLOAD_KEYS or CAIRN_PAYLOAD_KEYS_FILE, not both.")
        if text is None and file is None:
            return cls([])
        where, listed = "CAIRN_PAYLOAD_KEYS", text.get_secret_value() if text is not None else ""
        if file is not None:
            where, listed = "CAIRN_PAYLOAD_KEYS_FILE", _content(file)
        keys = parse_keys(listed, where)
        if not keys:  # a file that was not filled, say: who named one did not mean to have nothing encrypted
            raise InvalidInput(f"{where} names no key. Unset it, or write {PLAIN}, to have nothing encrypted.")
        return cls(keys)

    @classmethod
    def parse(cls, text: str, where: str) -> PayloadKeys:
        """Read a list as :func:`parse_keys` does.

        Raises:
            InvalidInput: the list is wrong.
        """
        return cls(parse_keys(text, where))

    def encrypt(self, payload: Payload) -> Payload:
        """Return the payload encrypted with the first key, unless that is ``plain``."""
        if self.first is None:
            return payload
        nonce = os.urandom(_NONCE_BYTES)
        name = self.first.encode()
        data = nonce + self._ciphers[self.first].encrypt(nonce, payload.SerializeToString(), _associated(name))
        return Payload(metadata={"encoding": ENCODING, "encryption-cipher": _CIPHER, _KEY_ID: name}, data=data)

    def decrypt(self, payload: Payload) -> Payload:
        """Return what was encrypted; a plain payload comes back as it is.

        Raises:
            PayloadKeyUnknown: its key is not among these.
            PayloadDamaged: it does not decrypt.
        """
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        name = payload.metadata.get(_KEY_ID, b"").decode(errors="replace")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise PayloadKeyUnknown(f"A payload is encrypted with the key {name!r}, which CAIRN_PAYLOAD_KEYS has not.")
        try:
            nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
            return Payload.FromString(cipher.decrypt(nonce, sealed, _associated(name.encode())))
        except (InvalidTag, ValueError, DecodeError):
            raise PayloadDamaged(f"A payload does not decrypt with the key {name!r}.") from None

    def is_current(self, payload: Payload) -> bool:
        """Whether the payload is as this process would write it now: with the first key, or plain."""
        encrypted = payload.metadata.get("encoding") == ENCODING
        return (payload.metadata[_KEY_ID].decode(errors="replace") if encrypted else None) == self.first


class EncryptionCodec(PayloadCodec):
    """Encrypts and decrypts for Temporal's SDK. Without keys it lets pass what is plain and names the key it lacks."""

    def __init__(self, keys: PayloadKeys) -> None:
        """Take the keys."""
        self.keys = keys

    async def encode(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Encrypt."""
        return [self.keys.encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Decrypt.

        Raises:
            PayloadKeyUnknown: a key is not known.
            PayloadDamaged: a payload does not decrypt.
        """
        return [self.keys.decrypt(payload) for payload in payloads]


def parse_keys(text: str, where: str) -> list[tuple[str, bytes]]:
    """Read ``id:key,id:key``: keys of 32 bytes in base64; line ends separate as commas do.

    Raises:
        InvalidInput: the list is wrong; the message says where, and nothing of what stands there.
    """
    entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
    keys = [_entry(entry, f"{where}: entry {number}") for number, entry in enumerate(entries, 1)]
    names = [name for name, _ in keys]
    if len(set(names)) != len(names):
        raise InvalidInput(f"{where}: an id stands there twice.")
    return keys


def _content(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"CAIRN_PAYLOAD_KEYS_FILE cannot be read: {type(error).__name__}.") from None


def _associated(name: bytes) -> bytes:
    return b"cairn payload 1\0" + name


def _entry(entry: str, where: str) -> tuple[str, bytes]:
    if entry == PLAIN:
        return PLAIN, b""
    name, _, encoded = entry.partition(":")
    try:
        key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _ID.fullmatch(name) or name == PLAIN or len(key) != _KEY_BYTES:
        raise InvalidInput(f"{where} is not id:key, with a key of {_KEY_BYTES} bytes in base64.")
    return name, key
