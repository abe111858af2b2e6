"""Which keys what is kept was encrypted with: those that an installation still needs."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.persistence.tables import CredentialRow, LlmProviderRow


async def keys_in_use(session: AsyncSession) -> Counter[str]:
    """Return how many secrets are encrypted with each key, by its id: credentials and keys for models, of all tenants.

    Keys of services within the graphs of voice agents are not counted.
    """
    counted: Counter[str] = Counter()
    for table in (CredentialRow, LlmProviderRow):
        by_key = select(col(table.key_id), func.count()).where(col(table.key_id) != "").group_by(col(table.key_id))
        for name, number in await session.execute(by_key):
            counted[name] += number
    return counted
