from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, ExternalStorage

from cairn.contracts.nodes import NodeResult
from cairn.temporal.blobs import BlobDamaged, BlobError, BlobMissing, blob_storage

LARGE = NodeResult(value={"text": "é" * 50_000})
SMALL = NodeResult(value="short")


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "folder":
        return (tmp_path / "an odd#folder%20é" / "blobs").as_uri()
    endpoint: str = request.getfixturevalue("s3_endpoint")
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:32]
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    s3.create_bucket(Bucket=bucket)
    s3.close()
    return f"s3://{bucket}/some/prefix"


def converter(storage: ExternalStorage) -> DataConverter:
    return dataclasses.replace(pydantic_data_converter, external_storage=storage)


def blobs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def round_trip(storage: ExternalStorage, *values: NodeResult) -> tuple[list[Payload], list[NodeResult]]:
    payloads = await converter(storage).encode(values)
    return payloads, await converter(storage).decode(payloads, [NodeResult] * len(values))


async def test_a_large_payload_leaves_a_small_reference_and_comes_back_the_same(url: str) -> None:
    storage = blob_storage(url, 64 * 1024)
    payloads, values = await round_trip(storage, LARGE, SMALL, LARGE)
    assert values == [LARGE, SMALL, LARGE]
    assert payloads[0].ByteSize() < 300
    assert payloads[1].data == pydantic_data_converter.payload_converter.to_payloads([SMALL])[0].data


async def test_another_process_reads_what_one_stored(url: str) -> None:
    payloads = await converter(blob_storage(url, 10)).encode([LARGE])
    assert await converter(blob_storage(url, 10)).decode(payloads, [NodeResult]) == [LARGE]


async def test_the_threshold_is_the_smallest_size_that_is_stored(tmp_path: Path) -> None:
    size = pydantic_data_converter.payload_converter.to_payloads([LARGE])[0].ByteSize()
    inline = await converter(blob_storage(tmp_path.as_uri(), size + 1)).encode([LARGE])
    stored = await converter(blob_storage(tmp_path.as_uri(), size)).encode([LARGE])
    assert inline[0].ByteSize() == size
    assert stored[0].ByteSize() < 300


async def test_the_same_payload_is_stored_once(tmp_path: Path) -> None:
    for _ in range(3):
        await round_trip(blob_storage(tmp_path.as_uri(), 10), LARGE)
    (blob,) = blobs(tmp_path)
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


async def test_metadata_order_does_not_change_the_address(tmp_path: Path) -> None:
    storage = blob_storage(tmp_path.as_uri(), 0)
    names = [f"key{n}" for n in range(20)]
    one = Payload(data=b"x", metadata=dict.fromkeys(names, b"1"))
    two = Payload(data=b"x", metadata=dict.fromkeys(reversed(names), b"1"))
    for payload in (one, two):
        await storage.drivers[0].store(storage._store_context, [payload])
    assert len(blobs(tmp_path)) == 1


async def test_a_missing_blob_is_a_clear_error(url: str, tmp_path: Path) -> None:
    payloads = await converter(blob_storage((tmp_path / "elsewhere").as_uri(), 10)).encode([LARGE])
    with pytest.raises(BlobMissing, match=r"Blob [0-9a-f]{64} is not in the storage"):
        await converter(blob_storage(url, 10)).decode(payloads, [NodeResult])


async def test_a_damaged_blob_is_refused_and_heals_when_stored_again(tmp_path: Path) -> None:
    storage = blob_storage(tmp_path.as_uri(), 10)
    payloads, _ = await round_trip(storage, LARGE)
    (blob,) = blobs(tmp_path)
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(BlobDamaged, match="is damaged"):
        await converter(storage).decode(payloads, [NodeResult])
    await converter(storage).encode([LARGE])
    assert await converter(storage).decode(payloads, [NodeResult]) == [LARGE]


async def test_a_storage_that_does_not_answer_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(BlobError, match="cannot be stored"):
        await converter(blob_storage("s3://bucket", 10)).encode([LARGE])


@pytest.mark.parametrize("url", ["ftp://host/x", "blobs", "", "/var/blobs"])
def test_an_unknown_storage_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"Use file:///folder or s3://bucket"):
        blob_storage(url, 10)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be opened"):
        blob_storage((tmp_path / "file" / "blobs").as_uri(), 10)
