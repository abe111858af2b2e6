"""The SQL database: tables, sessions, one repository, paging, migrations. SQLite by default, PostgreSQL by URL."""
