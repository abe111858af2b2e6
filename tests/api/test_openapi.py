"""What the OpenAPI documents promise is served: schemathesis sends what they allow, and what they do not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest
from graphs import noting, sequence
from openapi_world import WORLDS
from served import Callers

HOOKS = Path(__file__).with_name("openapi_hooks.py")
CONFIG = Path(__file__).with_name("schemathesis.toml")
# Tables of Unicode, which take seconds to make: hypothesis keeps them here.
KEPT = {"HYPOTHESIS_STORAGE_DIRECTORY": str(Path(__file__).parents[2] / ".hypothesis")}
HOOKED = {"SCHEMATHESIS_HOOKS": str(HOOKS), "PYTHONPATH": str(HOOKS.parent)}

CI_SEED = "1"
SEED = os.environ.get("OPENAPI_SEED") or CI_SEED
"""Of what is sent: by another one it is something else (``make openapi``)."""
# By chance a fresh one may make up much that is left out (openapi_hooks.py), or slowly; that is no matter of what is
# promised. An operation of which nothing is left fails all the same.
LENIENT = () if SEED == CI_SEED else ("--suppress-health-check", "filter_too_much,too_slow")
EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES") or 0)
"""So many an operation, in place of those that each surface gets in CI."""

EACH, CHAINED = "examples,coverage,fuzzing", "stateful"
"""Phases of schemathesis: each operation by itself, and one after the other as their links lead."""

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.parametrize("lasting_url", ["postgresql"], indirect=True, scope="session"),  # the stricter of both
]

CHAINS = {"omium": (3, 34), "voice": (3, 54), "agentflow": (8, 80)}
"""By surface: chains, each of up to 60 requests, and how many links they follow at least, counted with the seed of CI.

Not of `codec`: it makes nothing that could be used afterwards. No chain follows what takes a language model (5 links)
or a folder of skills (2).
"""


@pytest.mark.parametrize(("surface", "examples"), [("omium", 15), ("voice", 15), ("agentflow", 5), ("codec", 5)])
async def test_the_surface_keeps_its_promises(callers: Callers, world, tmp_path, surface: str, examples: int) -> None:
    await keeps_its_promises(callers, tmp_path, surface, EACH, EXAMPLES or examples)


@pytest.mark.parametrize("surface", CHAINS)
async def test_what_it_makes_can_be_used(callers: Callers, world, tmp_path, surface: str) -> None:
    chains, least = CHAINS[surface]
    report = await keeps_its_promises(callers, tmp_path, surface, CHAINED, chains)
    followed = re.search(r"API Links: +(\d+) covered", report)
    assert followed and int(followed[1]) >= (least if SEED == CI_SEED else 1), report


async def keeps_its_promises(callers: Callers, folder: Path, surface: str, phases: str, examples: int) -> str:
    """Have schemathesis do phases with a surface, so many examples an operation or so many chains; give its report."""
    chains = phases == CHAINED
    caller = await callers.new(scopes=["*", "codec:decode", "codec:encode"], kind="human")
    bodies = await WORLDS[surface](caller) if chains else {}
    known = {"KNOWN_URL": callers.url, "KNOWN_KEY": caller.key, "KNOWN_BODIES": json.dumps(bodies)}
    execution = await caller.start(sequence(noting("a")), execution_id="known")
    await caller.reach(execution["id"], "completed")
    # It is made when it is first asked for, which beside much else takes longer than schemathesis waits.
    assert (await caller.http.get(f"/{surface}/openapi.json")).status_code == 200
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
        *("run", f"{callers.url}/{surface}/openapi.json"),
        # Without `--checks all`, which is so anyway: it would turn on again what the file turns off. The one check
        # that never comes to run is `object_level_authorization`, for which one caller is not enough:
        # tests/conformance asks every operation for what is another tenant's (test_tenants.py and those beside it).
        *("--header", f"X-API-Key: {caller.key}", "--phases", phases),
        *LENIENT,
        *("--max-examples", str(examples), "--seed", SEED, "--generation-deterministic", "--workers", "1"),
        # A made-up key in `Authorization` beside the one in `X-API-Key` is 401 whatever is asked: the other phases
        # send such keys, and every second step of a chain would be wasted with them.
        *("--generation-with-security-parameters", str(not chains).lower()),
        # NUL, which PostgreSQL takes in no text, no schema can refuse: tests/conformance/test_nul.py sends it.
        *("--generation-allow-x00", "false", "--no-color", "--warnings", "off"),
        env={**os.environ, **KEPT, **HOOKED, **known},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await program.communicate()
    assert program.returncode == 0, output.decode()
    return output.decode()
