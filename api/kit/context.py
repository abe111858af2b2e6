"""What all surfaces of one process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from obstore.store import ObjectStore

from api.kit.rate_limit import RateLimiter
from cairn.domain.credentials import Sealer
from cairn.domain.executions.story import TokenFeed
from cairn.domain.tools import ToolRegistry
from cairn.graph.validate import ValidationContext
from cairn.persistence.session import Database
from cairn.settings import Settings
from cairn.temporal.executions import ExecutionClient


@dataclass(frozen=True, slots=True)
class Context:
    """What is made when the application starts and closed when it stops.

    Attributes:
        settings: of this process.
        database: sessions.
        temporal: executions in Temporal; connects at the first call.
        secret: keys the hashes of API keys.
        validation: what definitions of graphs may refer to.
        started: when this process began to serve (monotonic seconds).
        limiter: counts the requests of each key.
        tokens: what models write while they write it.
        storage: where uploaded files are kept.
        tools: those of the installation.
        sealer: encrypts the secrets of credentials.
        key_uses: when the use of a key was last written down (monotonic seconds), by key id.
    """

    settings: Settings
    database: Database
    temporal: ExecutionClient
    secret: bytes
    validation: ValidationContext
    limiter: RateLimiter
    tokens: TokenFeed
    storage: ObjectStore
    tools: ToolRegistry
    sealer: Sealer
    started: float = field(default_factory=monotonic)
    key_uses: dict[str, float] = field(default_factory=dict[str, float])
