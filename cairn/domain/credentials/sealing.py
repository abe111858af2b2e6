"""Encryption of secrets at rest: AES-256-GCM, each bound to the row that it is for.

The keys are those of ``CAIRN_CREDENTIAL_KEYS``, the first of which encrypts, and always one derived from the
installation's secret: so an installation can begin without keys and go over to keys of its own. API and workers need
the same ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cairn.contracts.json import JsonObject
from cairn.domain.keys import load_secret
from cairn.errors import CairnError, InvalidInput, Unavailable
from cairn.settings import Settings
from cairn.temporal.encryption import PLAIN, parse_keys

_NONCE_BYTES = 12
_SEALED = "sealed:"
_PURPOSE = b"cairn: secrets of credentials"


class Sealer:
    """Encrypts and decrypts secrets. No part of a key or a secret is in any text that this class makes."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        """Take ids and keys of 32 bytes; the first encrypts, all decrypt."""
        self._first = keys[0][0]
        self._ciphers = {name: AESGCM(key) for name, key in keys}

    def __repr__(self) -> str:
        return f"Sealer({', '.join(self._ciphers)})"

    @classmethod
    def of(cls, settings: Settings) -> Sealer:
        """Read the keys that the settings name, and derive the one that is always there.

        Raises:
            InvalidInput: the list of keys is wrong.
        """
        given = settings.credential_keys
        keys = parse_keys(given.get_secret_value() if given else "", "CAIRN_CREDENTIAL_KEYS")
        if any(name == PLAIN for name, _ in keys):
            raise InvalidInput("CAIRN_CREDENTIAL_KEYS: secrets of credentials are always encrypted, none are plain.")
        own = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(load_secret(settings))
        # Its id tells installations with different secrets apart, and nothing of the key.
        return cls([*keys, (f"secret-{hashlib.sha256(_PURPOSE + own).hexdigest()[:12]}", own)])

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of the keys that decrypt."""
        return frozenset(self._ciphers)

    def seal(self, secret: JsonObject, place: str) -> tuple[str, bytes]:
        """Return the key's id and the ciphertext.

        Args:
            secret: any JSON object.
            place: what it belongs to; it opens there alone.
        """
        nonce = os.urandom(_NONCE_BYTES)
        data = json.dumps(secret, ensure_ascii=False).encode()
        return self._first, nonce + self._ciphers[self._first].encrypt(nonce, data, _associated(self._first, place))

    def open(self, key_id: str, sealed: bytes, place: str) -> JsonObject:
        """Return what was sealed.

        Raises:
            Unavailable: this process has not the key (``credential_key_unknown``).
            CairnError: it does not decrypt (``credential_damaged``).
        """
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            message = f"A credential is encrypted with the key {key_id!r}, which this process has not."
            raise Unavailable(message, code="credential_key_unknown")
        try:
            nonce, data = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return json.loads(cipher.decrypt(nonce, data, _associated(key_id, place)))
        except (InvalidTag, ValueError):
            raise CairnError("A credential does not decrypt.", code="credential_damaged") from None


class TextSealer:
    """Encrypts texts of a tenant that are kept and passed on as texts, such as keys in its graphs."""

    def __init__(self, sealer: Sealer, tenant: str, live: bool) -> None:
        """Take what encrypts, and whose texts: they open for nobody else."""
        self._sealer = sealer
        self._place = f"{tenant}\0{live}\0text"

    def seal(self, text: str) -> str:
        """Return a text encrypted; one that is encrypted already stays as it is."""
        if text.startswith(_SEALED):
            return text
        key_id, sealed = self._sealer.seal({"text": text}, self._place)
        return f"{_SEALED}{key_id}:{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, text: str) -> str:
        """Return what was encrypted; a text that never was, as it is.

        Raises:
            Unavailable: this process has not the key (``credential_key_unknown``).
            CairnError: it does not decrypt, or is another tenant's (``credential_damaged``).
        """
        if not text.startswith(_SEALED):
            return text
        key_id, _, sealed = text.removeprefix(_SEALED).rpartition(":")
        try:
            data = base64.b64decode(sealed, altchars=b"-_", validate=True)
        except ValueError:
            raise CairnError("A credential does not decrypt.", code="credential_damaged") from None
        return self._sealer.open(key_id, data, self._place)["text"]


def _associated(key_id: str, place: str) -> bytes:
    return f"cairn credential 1\0{key_id}\0{place}".encode()
