"""Alembic's migrations; run by :mod:`cairn.persistence.migrate`."""
