"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cairn.errors import Forbidden
from cairn.persistence.repository import Scope

ALL_SCOPES = "*"

PrincipalKind = Literal["human", "service"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of an API key.

    Attributes:
        tenant: whose data the key opens.
        live: live data or test data.
        scopes: what it allows, such as ``executions:write``; ``*`` is all.
        user_id: the person or service that the key stands for.
        kind: human or service.
        key_id: id of the key's row.
    """

    tenant: str
    live: bool
    scopes: frozenset[str]
    user_id: str | None
    kind: PrincipalKind
    key_id: str

    @property
    def scope(self) -> Scope:
        """Whose rows this principal may see."""
        return Scope(self.tenant, self.live)

    @property
    def author(self) -> str:
        """Name to put to what this principal writes."""
        return self.user_id or self.key_id

    def allows(self, scope: str) -> bool:
        """Tell whether the key has the scope."""
        return ALL_SCOPES in self.scopes or scope in self.scopes

    def require(self, scope: str) -> None:
        """Refuse a key without the scope.

        Raises:
            Forbidden: the key lacks it.
        """
        if not self.allows(scope):
            raise Forbidden(f"The API key lacks the scope {scope}.", extra={"required_scope": scope})
