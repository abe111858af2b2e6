"""Requests that may be sent again: one effect, one reply."""

from cairn.domain.idempotency.store import LEASE, LIFETIME, Claim, IdempotencyStore, StoredReply, is_kept

__all__ = ["LEASE", "LIFETIME", "Claim", "IdempotencyStore", "StoredReply", "is_kept"]
