"""What the tests of guides share: one installation, in which each guide has a tenant of its own."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path

import pytest

from cairn.cli.demo.installation import Installation
from cairn.cli.setup import DEV_KEY_FILE

_RUNNING = pytest.StashKey[Installation]()


@pytest.fixture
def installation(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Installation:
    """What `make serve` runs, on free ports, as a reader sees it whose first API key is that of a new tenant."""
    stash = request.config.stash
    if _RUNNING not in stash:
        stash[_RUNNING] = Installation(tmp_path_factory.mktemp("home"))
        stash[_RUNNING].start()
    running = copy.copy(stash[_RUNNING])
    key = asyncio.run(_key_of(tmp_path.name.replace("_", "-"), running.home))
    (running.home / "skills").mkdir(exist_ok=True)  # a guide puts one there
    running.home = _home_of_a_reader(running.home, tmp_path / "home", key)
    running.environment = {**running.environment, "CAIRN_HOME": str(running.home)}
    return running


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the installation after the last test of a guide."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        running = item.config.stash.get(_RUNNING, None)
        if running is not None:
            del item.config.stash[_RUNNING]
            running.stop()


async def _key_of(tenant: str, home: Path) -> str:
    """Make a key as an installation's first one is."""
    from cairn.domain.keys import KeyService, load_secret
    from cairn.persistence.session import Database, create_engine
    from cairn.settings import Settings

    settings = Settings(home=home)
    database = Database(create_engine(settings.database))
    try:
        async with database.transaction() as session:
            keys = KeyService(session, load_secret(settings))
            _, key = await keys.create(tenant, name="development", user_id="developer", kind="human")
        return key
    finally:
        await database.dispose()


def _home_of_a_reader(installed: Path, home: Path, key: str) -> Path:
    """Make a folder in which all is as in an installation's but the key."""
    home.mkdir()
    for each in installed.iterdir():
        (home / each.name).symlink_to(each)
    (home / DEV_KEY_FILE).unlink()
    (home / DEV_KEY_FILE).write_text(key)
    return home
