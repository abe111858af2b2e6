"""What finished runs left, as it is kept: encrypted like payloads, owned by its execution, never an error."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from cairn.contracts.executions import ExecutionInput, GraphRef
from cairn.temporal.blobs import BlobPath
from cairn.temporal.checkpoint import Checkpoint, LeftRun
from cairn.temporal.checkpoints import Projection
from cairn.temporal.encryption import EncryptionCodec, PayloadKeys
from cairn.temporal.events import WasReset
from cairn.temporal.history import read
from cairn.temporal.kept_runs import VERSION, KeptRuns

AT = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
GRAPH = GraphRef(workflow_id="w", version_id=1, version=1, digest="d")
LEFT = LeftRun(
    run_id="r2",
    continued_run_id="r1",
    original_run_id="r2",
    start=ExecutionInput(execution_id="e", tenant="t", graph=GRAPH, metadata={"k": "secret"}),
    lineage="r1",
    line_revision=3,
    resets=[WasReset(4, AT, "r0", "r2", "why")],
    checkpoints=[
        Checkpoint("chk_1", "secret name", "n", AT, 0, 7, 9, True, "r2"),
        Checkpoint("c", "n", None, AT, 1, 8),
    ],
    updates={"u1", "u2"},
    closed_id=12,
    closed_at=AT,
)


def keeping(store, *keys: tuple[str, bytes]) -> KeptRuns:
    codec = EncryptionCodec(PayloadKeys(keys)) if keys else None
    return KeptRuns(store, codec, "default")


async def test_it_comes_back_as_it_was() -> None:
    kept = keeping(MemoryStore())
    assert await kept.load("acme.e 1", "r2", AT) is None
    await kept.save("acme.e 1", LEFT, AT)
    assert await kept.load("acme.e 1", "r2", AT) == LEFT
    assert await kept.load("other", "r2", AT) is None


async def test_it_is_encrypted_as_payloads_are() -> None:
    store, key = MemoryStore(), ("k1", b"1" * 32)
    await keeping(store, key).save("e", LEFT, AT)
    ((found,),) = list(store.list())
    assert b"secret" not in bytes(store.get(found["path"]).bytes())
    assert await keeping(store, ("k2", b"2" * 32), key).load("e", "r2", AT) == LEFT
    assert await keeping(store, ("k2", b"2" * 32)).load("e", "r2", AT) is None


async def test_the_sweep_knows_whose_it_is() -> None:
    store = MemoryStore()
    await keeping(store).save("acme.e 1", LEFT, AT)
    ((found,),) = list(store.list())
    path = BlobPath.parse(found["path"])
    assert (path.namespace, path.owners, path.day) == ("default", ("acme.e 1",), AT.date())


@pytest.mark.parametrize("content", [b"", b"no payload", b"\x00" * 50])
async def test_what_is_damaged_is_as_if_it_were_not_there(content: bytes) -> None:
    store = MemoryStore()
    kept = keeping(store)
    await kept.save("e", LEFT, AT)
    ((found,),) = list(store.list())
    store.put(found["path"], content)
    assert await kept.load("e", "r2", AT) is None
    await kept.save("e", LEFT, AT)
    assert await kept.load("e", "r2", AT) == LEFT


async def test_a_storage_that_refuses_is_no_error(tmp_path) -> None:
    folder = tmp_path / "gone"
    kept = keeping(LocalStore(folder, mkdir=True))
    folder.rmdir()
    folder.write_text("no folder any more")
    await kept.save("e", LEFT, AT)
    assert await kept.load("e", "r2", AT) is None


async def test_a_fold_that_finds_something_else_is_another_version() -> None:
    """What is kept is never read again: a fold that finds other checkpoints needs another ``VERSION``."""
    told = (Path(__file__).parent.parent / "histories" / "next" / "beside_slow_work.json").read_text()
    projection = Projection(run_id="r1")
    projection.feed(await read(WorkflowHistory.from_json("e", told).events, pydantic_data_converter))
    projection.settle()
    left = projection.left()
    found = [(c.id, c.name, c.node_id, c.step, c.event_id, c.point, c.shared) for c in left.checkpoints]
    whole = repr((found, left.lineage, left.line_revision, sorted(left.updates), left.resets, left.closed_id))
    assert (VERSION, hashlib.sha256(whole.encode()).hexdigest()[:16]) == (1, "8e2990df2d6f17f5")
