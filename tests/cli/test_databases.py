"""Databases that cannot be used: every command that opens one says so in one line, and none shows a trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from cairn.errors import Unavailable
from cairn.persistence import migrate

if TYPE_CHECKING:
    from tests.cli.conftest import Cairn


def made_by_a_later_version(url: str) -> None:
    parsed = make_url(url)
    engine = create_engine(parsed.set(drivername=parsed.drivername.replace("+aiosqlite", "")))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()


def refused(cairn: Cairn, *arguments: str) -> str:
    """Run a command that an error ends, and return the one line that it says."""
    result = cairn(*arguments)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line


def test_one_of_a_later_version_is_left_as_it_is(database_url: str) -> None:
    made_by_a_later_version(database_url)
    for call in (migrate.upgrade, migrate.check):
        with pytest.raises(Unavailable, match="9999") as caught:
            call(database_url)
        assert caught.value.code == "database_too_new"


def test_commands_tell_one_of_a_later_version(cairn: Cairn, environment: dict[str, str], sqlite_url: str) -> None:
    environment["CAIRN_DATABASE_URL"] = sqlite_url
    made_by_a_later_version(sqlite_url)
    assert "later version of Cairn" in refused(cairn, "db", "upgrade")
    assert "later version of Cairn" in refused(cairn, "setup")
    said = cairn("doctor").stdout
    assert "later version of Cairn" in said
    assert "cairn db upgrade" not in said


@pytest.mark.parametrize("command", ["db upgrade", "setup", "keys list", "keys create"])
@pytest.mark.parametrize(("content", "why"), [(b"no database" * 400, "not a database"), (None, "malformed")])
def test_a_file_that_cannot_be_read_is_told(
    cairn: Cairn,
    environment: dict[str, str],
    sqlite_url: str,
    tmp_path: Path,
    command: str,
    content: bytes | None,
    why: str,
) -> None:
    environment["CAIRN_DATABASE_URL"] = sqlite_url
    file = tmp_path / "cairn.db"
    file.write_bytes(content or file.read_bytes()[: 5 * 4096])  # a copy that was broken off
    line = refused(cairn, *command.split())
    assert why in line
    assert "SELECT" not in line and "INSERT" not in line


def test_a_folder_that_cannot_be_made_is_told(cairn: Cairn, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment["CAIRN_DATABASE_URL"] = f"sqlite+aiosqlite:///{tmp_path}/file/cairn.db"
    assert "cannot be made" in refused(cairn, "db", "upgrade")
