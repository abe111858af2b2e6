"""Credentials: secrets that nodes and tools send along to outside services, named by uuid and never shown again."""

from cairn.domain.credentials.headers import CredentialHeaders
from cairn.domain.credentials.in_use import keys_in_use
from cairn.domain.credentials.model import Credential, CredentialKind, Secret
from cairn.domain.credentials.sealing import Sealer, TextSealer
from cairn.domain.credentials.service import CredentialService

__all__ = [
    "Credential",
    "CredentialHeaders",
    "CredentialKind",
    "CredentialService",
    "Sealer",
    "Secret",
    "TextSealer",
    "keys_in_use",
]
