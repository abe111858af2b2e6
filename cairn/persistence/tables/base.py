"""What all tables share."""

from typing import ClassVar

from sqlalchemy import MetaData
from sqlmodel import SQLModel

# Names of constraints are part of the schema: without a rule, SQLite gives none and a migration cannot name them.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Row(SQLModel):
    """A row of any table."""

    metadata: ClassVar[MetaData] = METADATA  # pyright: ignore[reportIncompatibleVariableOverride]


class TenantRow(Row):
    """A row that belongs to a tenant.

    Attributes:
        tenant: the owner; nobody else learns that the row exists.
        live: False for what a test key made; live and test data never meet.
    """

    tenant: str
    live: bool = True
