"""What the tests of guides share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cairn.cli.demo.installation import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """What `make serve` runs, on free ports."""
    installation = Installation(tmp_path_factory.mktemp("home"))
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()
