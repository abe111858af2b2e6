"""The API over a database of each kind; each test has tenants of its own."""

from lasting import caller, callers, lasting, lasting_url  # noqa: F401
