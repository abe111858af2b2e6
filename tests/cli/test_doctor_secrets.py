"""What `cairn doctor` says of the installation's secret, and of the keys that what is kept was encrypted with."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cairn.domain.credentials import CredentialService, Sealer
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.ports import find_free
from cairn.settings import Settings

if TYPE_CHECKING:
    from tests.cli.conftest import Cairn

KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def apart(environment: dict[str, str], sqlite_url: str) -> Iterator[None]:
    environment["CAIRN_DATABASE_URL"] = sqlite_url
    for name in ("CAIRN_API_PORT", "CAIRN_TEMPORAL_PORT", "CAIRN_TEMPORAL_UI_PORT"):
        environment[name] = str(find_free())
    yield


def finding(cairn: Cairn, subject: str) -> tuple[int, dict[str, str] | None]:
    """Return the status of `cairn doctor`, and what it says of one thing."""
    result = cairn("doctor", "--json")
    found = {each["subject"]: each for each in json.loads(result.stdout)["findings"]}
    return result.returncode, found.get(subject)


def keep_credential(url: str, settings: Settings, name: str) -> None:
    async def keep() -> None:
        database = Database(create_engine(url))
        async with database.transaction() as session:
            service = CredentialService(session, Scope("acme", True), Sealer.of(settings))
            await service.create(name, "bearer_token", {"token": "hush"})
        await database.dispose()

    asyncio.run(keep())


def test_a_fresh_installation_has_none_and_needs_none(cairn: Cairn, cairn_home: Path) -> None:
    assert finding(cairn, "secret") == (0, None)
    assert not (cairn_home / "secret").exists()


def test_one_that_was_left_behind_is_missed_and_not_made_anew(cairn: Cairn, cairn_home: Path) -> None:
    assert cairn("keys", "create").returncode == 0
    status, found = finding(cairn, "secret")
    assert status == 0 and found is not None and found["status"] == "ok"
    (cairn_home / "secret").unlink()
    status, found = finding(cairn, "secret")
    assert status == 1 and found is not None
    assert "API keys" in found["found"] and "CAIRN_SECRET" in found["todo"]
    assert not (cairn_home / "secret").exists()


def test_another_one_than_credentials_were_encrypted_with_is_told(
    cairn: Cairn, environment: dict[str, str], sqlite_url: str
) -> None:
    keep_credential(sqlite_url, Settings.model_validate({"secret": "before"}), "one")
    environment["CAIRN_SECRET"] = "after"
    status, found = finding(cairn, "credentials")
    assert status == 1 and found is not None
    assert "secret-" in found["found"] and "CAIRN_SECRET" in found["todo"]
    environment["CAIRN_SECRET"] = "before"
    status, found = finding(cairn, "credentials")
    assert status == 0 and found is not None and found["found"].endswith(": 1")


def test_a_key_that_may_be_dropped_is_in_no_count(cairn: Cairn, environment: dict[str, str], sqlite_url: str) -> None:
    keys = {"secret": "same", "credential_keys": f"2026:{KEY}"}
    keep_credential(sqlite_url, Settings.model_validate({"secret": "same"}), "one")
    keep_credential(sqlite_url, Settings.model_validate(keys), "two")
    keep_credential(sqlite_url, Settings.model_validate(keys), "three")
    environment |= {"CAIRN_SECRET": "same", "CAIRN_CREDENTIAL_KEYS": f"2026:{KEY}"}
    status, found = finding(cairn, "credentials")
    assert status == 0 and found is not None
    assert "2026: 2" in found["found"] and "secret-" in found["found"]
    del environment["CAIRN_CREDENTIAL_KEYS"]
    environment["CAIRN_CREDENTIAL_KEYS"] = ""
    status, found = finding(cairn, "credentials")
    assert status == 1 and found is not None and "2026" in found["found"]
    assert KEY not in json.dumps(found)
