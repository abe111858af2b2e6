from __future__ import annotations

import base64
import itertools
from pathlib import Path

import pytest
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart

from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.domain.model_history import ModelHistory
from cairn.object_store import open_store
from cairn.temporal.blobs import BlobDamaged, BlobDriver, BlobMissing, BlobPath
from cairn.temporal.encryption import EncryptionCodec, PayloadKeys, PayloadKeyUnknown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


def opened(folder: Path, keys: str = "") -> ModelHistory:
    return ModelHistory(BlobDriver(open_store(folder.as_uri())), EncryptionCodec(PayloadKeys.parse(keys, "")), "n")


def said(number: int) -> list[ModelRequest | ModelResponse]:
    heard = ToolReturnPart("search", f"result {number:04}", f"call_{number:04}")
    asked = ToolCallPart("search", {"query": f"{number:04}"}, f"call_{number + 1:04}")
    first = UserPromptPart("Find it") if number == 0 else heard
    return [ModelRequest(parts=[first], instructions="Be thorough. " * 100), ModelResponse(parts=[asked])]


def stored(folder: Path) -> list[int]:
    return [file.stat().st_size for file in folder.rglob("*") if file.is_file()]


async def test_500_turns_move_constant_bytes_and_take_storage_by_the_turn(folder: Path) -> None:
    conversations, reference = opened(folder), None
    moved = []
    for number in range(500):
        call = NodeCall(
            execution_id="e1",
            temporal_id="t.e1",
            tenant="t",
            run_id="r",
            lineage="r",
            node_id="n",
            visit=1,
            data={"prompt": "Find it", "history": reference},
        )
        assert len(await conversations.read(reference)) == 2 * number
        reference = await conversations.append("t.e1", reference, said(number))
        result = NodeResult(value={"history": reference, "calls": []})
        moved.append(len(call.model_dump_json()) + len(result.model_dump_json()))
    assert len(set(moved[1:])) == 1, "what history holds of a turn does not grow"
    sizes = stored(folder)
    assert len(sizes) == 500, "a turn is one document"
    assert max(sizes) - min(sizes) < 250, "a turn is stored once, whatever came before it"
    assert max(sizes) < 1450, "the instructions are not stored with every turn"


async def test_another_process_reads_what_was_said_in_its_order(folder: Path) -> None:
    writer, reference = opened(folder), None
    for number in range(30):
        reference = await writer.append("t.e1", reference, said(number))
    messages = await opened(folder).read(reference)
    asked = [part.tool_call_id for m in messages for part in m.parts if isinstance(part, ToolCallPart)]
    assert asked == [f"call_{number:04}" for number in range(1, 31)]
    heard = [part.content for m in messages for part in m.parts if isinstance(part, ToolReturnPart)]
    assert heard == [f"result {number:04}" for number in range(1, 30)]
    assert await opened(folder).read(None) == []


async def test_conversations_that_part_share_what_they_have_in_common(folder: Path) -> None:
    conversations = opened(folder)
    common = await conversations.append("t.e1", None, said(0))
    one = await conversations.append("t.e1", common, [*said(1), ModelResponse(parts=[TextPart("one")])])
    other = await conversations.append("t.e2", common, [*said(1), ModelResponse(parts=[TextPart("two")])])
    assert {BlobPath.parse(one).owners, BlobPath.parse(other).owners} == {("t.e1",), ("t.e2",)}
    told = [(await opened(folder).read(reference))[-1].parts for reference in (one, other)]
    assert [part.content for parts in told for part in parts if isinstance(part, TextPart)] == ["one", "two"]
    assert len(await conversations.read(common)) == 2
    # The first execution may be forgotten before its fork is.
    for owned in (common, one):
        (folder / owned).unlink()
    assert len(await opened(folder).read(other)) == 5


async def test_what_was_said_is_encrypted_as_payloads_are(folder: Path) -> None:
    key, other = (f"{name}:{base64.b64encode(bytes([number] * 32)).decode()}" for name, number in (("a", 1), ("b", 2)))
    reference = await opened(folder, key).append("t.e1", None, said(0))
    data = (folder / reference).read_bytes()
    assert b"Find it" not in data and b"search" not in data
    assert len(await opened(folder, f"{other},{key}").read(reference)) == 2, "a key that is replaced still reads"
    for missing in ("", other):
        with pytest.raises(PayloadKeyUnknown):
            await opened(folder, missing).read(reference)


async def test_a_turn_that_is_gone_or_damaged_says_so(folder: Path) -> None:
    writer = opened(folder)
    first = await writer.append("t.e1", None, said(0))
    second = await writer.append("t.e1", first, said(1))
    file = folder / first
    with pytest.raises(BlobMissing):
        await opened(folder).read("no reference")
    whole = file.read_bytes()
    for broken in (whole[:-1], whole.replace(b"0001", b"0002"), b""):
        file.write_bytes(broken)
        with pytest.raises(BlobDamaged):
            await opened(folder).read(second)
    file.unlink()
    with pytest.raises(BlobMissing):
        await opened(folder).read(second)
    assert len(await writer.read(second)) == 4, "what was written lately is in memory"


async def test_memory_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairn.domain.model_history._CACHED_BYTES", 10_000)
    conversations, reference = opened(folder), None
    for number in range(100):
        reference = await conversations.append("t.e1", reference, said(number))
    assert sum(turn.size for turn in conversations._cache.values()) <= 10_000
    messages = await conversations.read(reference)
    assert len(messages) == 200
    for one, two in itertools.pairwise(messages):
        assert type(one) is not type(two)
