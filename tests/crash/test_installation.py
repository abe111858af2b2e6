"""How an installation that is hurt is laid out: everything that talks with something else does it by a link."""

from __future__ import annotations

import itertools
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chaos.installation import Installation
from chaos.outside import Outside

APIS, WORKERS = ("api-1", "api-2"), ("worker-1", "worker-2")


def links(*, postgresql: bool, cluster: bool) -> set[str]:
    """Return the names of the links that are to be there."""
    found = {"workers - receiver"}
    found |= {f"clients - {api}" for api in APIS} | {f"{worker} - model" for worker in WORKERS}
    servers = ["temporal", *(["postgresql"] if postgresql else [])]
    found |= {f"{name} - {server}" for name, server in itertools.product((*APIS, *WORKERS), servers)}
    return found | ({"temporal - postgresql"} if cluster else set())


@pytest.mark.parametrize(("postgresql", "cluster"), [(False, False), (True, False), (True, True)])
def test_every_pair_that_talks_has_a_link(postgresql: bool, cluster: bool, tmp_path: Path) -> None:
    site = Installation(tmp_path, Outside(1), postgresql=postgresql, cluster=cluster)
    assert {link.name for link in site.links} == links(postgresql=postgresql, cluster=cluster)
    by_port = {link.port: link.name for link in site.links}
    assert by_port[urlsplit(site.told_url).port or 0] == "workers - receiver"
    for program in (*site.apis, *site.workers):
        own = program.environment
        assert by_port[int(own["CAIRN_TEMPORAL_PORT"])] == f"{program.name} - temporal"
        if postgresql:
            assert by_port[urlsplit(own["CAIRN_DATABASE_URL"]).port or 0] == f"{program.name} - postgresql"
        if program in site.workers:
            assert by_port[urlsplit(own["CAIRN_OPENAI_BASE_URL"]).port or 0] == f"{program.name} - model"


def test_a_database_of_its_own_takes_no_cluster(tmp_path: Path) -> None:
    site = Installation(tmp_path, Outside(1), postgresql=True)
    assert site.cluster is None
    assert [program.name for program in site.programs] == ["postgresql", "temporal", *APIS, *WORKERS]
