"""Files of ambient noise: a signed link that takes one file once, and what is stored by it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import obstore
import pytest
from graphs import sequence
from installation import until
from served import Caller, Callers, served
from sqlalchemy import update

from cairn.domain.uploads import MAX_SIZE, sweep
from cairn.domain.uploads.model import safe_name
from cairn.domain.uploads.signature import sign
from cairn.object_store import open_store
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import UploadRow
from cairn.persistence.types import utc_now

NOISE = "/api/v1/workflow/ambient-noise"
SOUND = {"filename": "office-background.mp3", "content_type": "audio/mpeg"}
MP3 = {"Content-Type": "audio/mpeg"}


async def link(caller: Caller, **more: str) -> dict:
    reply = await caller.http.post(f"{NOISE}/upload-url", json={**SOUND, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


async def chunks(size: int, chunk: int = 256 * 1024) -> AsyncIterator[bytes]:
    while size > 0:
        yield b"\0" * min(chunk, size)
        size -= chunk


def stored(callers: Callers) -> list[str]:
    return [each["path"] for each in obstore.list(open_store(callers.settings.storage)).collect()]


async def test_a_file_goes_there_and_back(caller: Caller, callers: Callers) -> None:
    made = await link(caller)
    assert made["upload_url"].startswith(f"{callers.url}{NOISE}/")
    assert made["file_key"].startswith("ambient-noise/") and made["file_key"].endswith("/office-background.mp3")
    sound = os.urandom(300_000)
    sent = await callers.client().put(made["upload_url"], content=sound, headers=MP3)
    assert sent.status_code == 200, sent.text
    assert sent.json() == {"file_key": made["file_key"], "content_type": "audio/mpeg", "size": len(sound)}
    read = await caller.http.get(f"/api/v1/workflow/{made['file_key']}")
    assert hashlib.sha256(read.content).digest() == hashlib.sha256(sound).digest()
    assert (read.headers["Content-Type"], read.headers["Content-Length"]) == ("audio/mpeg", str(len(sound)))
    assert read.headers["X-Content-Type-Options"] == "nosniff"
    for other in (await callers.new(), await callers.new(caller.tenant, live=False)):
        assert (await other.http.get(f"/api/v1/workflow/{made['file_key']}")).status_code == 404
    assert (await callers.client().get(f"/api/v1/workflow/{made['file_key']}")).status_code == 401


async def test_the_key_goes_into_the_configuration(caller: Caller) -> None:
    workflow, made = await caller.publish(sequence()), await link(caller)
    noise = {"enabled": True, "volume": 0.5, "storage_key": made["file_key"]}
    path, body = f"/api/v1/workflow/{workflow['id']}", {"configuration": {"ambient_noise_configuration": noise}}
    assert (await caller.http.put(path, json=body)).status_code == 200
    read = (await caller.http.get(f"/api/v1/workflow/fetch/{workflow['id']}")).json()
    assert read["configuration"]["ambient_noise_configuration"] == noise


async def test_a_link_is_used_once(caller: Caller, callers: Callers) -> None:
    made = await link(caller)
    sender = callers.client()
    replies = await asyncio.gather(
        *(sender.put(made["upload_url"], content=chunks(size), headers=MP3) for size in (2_000_000, 3_000_000))
    )
    assert sorted(reply.status_code for reply in replies) == [200, 409]
    (won,) = [reply.json() for reply in replies if reply.status_code == 200]
    read = await caller.http.get(f"/api/v1/workflow/{made['file_key']}")
    assert len(read.content) == won["size"]
    again = await sender.put(made["upload_url"], content=b"x", headers=MP3)
    assert (again.status_code, again.json()["detail"]) == (409, "The link has been used.")


async def test_a_link_that_was_changed_is_refused(caller: Caller, callers: Callers) -> None:
    made, other = await link(caller), await link(caller)
    url = urlsplit(made["upload_url"])
    query = parse_qs(url.query)
    expires, signature = query["expires"][0], query["signature"][0]
    later = f"{int(expires) + 3600}"
    changed = [
        f"/api/v1/workflow/{other['file_key']}?{url.query}",
        f"{url.path.replace('office', 'of.fice')}?{url.query}",
        f"{url.path}?expires={later}&signature={signature}",
        f"{url.path}?expires={expires}&signature={signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}",
        f"{url.path}?expires={expires}&signature=%C3%A9",
        f"{url.path}?expires={expires}&signature={sign(b'another secret', made['file_key'], int(expires))}",
    ]
    for path in changed:
        reply = await callers.client().put(path, content=b"x", headers=MP3)
        assert reply.status_code == 403, path
    assert (await callers.client().put(url.path, content=b"x", headers=MP3)).status_code == 422
    assert made["file_key"] not in stored(callers)


async def test_a_link_ends_after_half_an_hour(caller: Caller, callers: Callers) -> None:
    made = await link(caller)
    expires = int(parse_qs(urlsplit(made["upload_url"]).query)["expires"][0])
    assert timedelta(minutes=29) < timedelta(seconds=expires - utc_now().timestamp()) <= timedelta(minutes=30)
    past = int(utc_now().timestamp()) - 1
    signature = sign(callers.secret, made["file_key"], past)
    url = f"/api/v1/workflow/{made['file_key']}?expires={past}&signature={signature}"
    reply = await callers.client().put(url, content=b"x", headers=MP3)
    assert (reply.status_code, reply.json()["detail"]) == (410, "The link has expired.")
    async with callers.database.transaction() as session:
        await session.execute(update(UploadRow).values(expires_at=utc_now() - timedelta(days=1)))
    assert await sweep(callers.database, open_store(callers.settings.storage))
    assert (await callers.client().put(made["upload_url"], content=b"x", headers=MP3)).status_code == 410


async def test_what_is_no_audio_is_refused(caller: Caller, callers: Callers) -> None:
    for kind in ("text/html", "audio", "audio/", "video/mp4", "", "audio/x\r\nX: y"):
        reply = await caller.http.post(f"{NOISE}/upload-url", json={**SOUND, "content_type": kind})
        assert reply.status_code == 422, kind
    made = await link(caller, content_type="Audio/OGG; codecs=opus")
    for kind in ("text/html", "audio/mpeg", "application/octet-stream"):
        reply = await callers.client().put(made["upload_url"], content=b"x", headers={"Content-Type": kind})
        assert reply.status_code == 415, kind
    reply = await callers.client().put(made["upload_url"], content=b"x")  # as `curl -T` does
    assert (reply.status_code, reply.json()["content_type"]) == (200, "audio/ogg")


async def test_a_file_has_at_most_ten_mebibytes(caller: Caller, callers: Callers) -> None:
    made = await link(caller)
    told = await callers.client().put(made["upload_url"], content=b"\0" * (MAX_SIZE + 1), headers=MP3)
    untold = await callers.client().put(made["upload_url"], content=chunks(MAX_SIZE + 1), headers=MP3)
    assert (told.status_code, untold.status_code) == (413, 413)
    empty = await callers.client().put(made["upload_url"], content=b"", headers=MP3)
    assert empty.status_code == 422
    assert made["file_key"] not in stored(callers)
    assert (await caller.http.get(f"/api/v1/workflow/{made['file_key']}")).status_code == 404
    # The link is as good as before.
    whole = await callers.client().put(made["upload_url"], content=chunks(MAX_SIZE), headers=MP3)
    assert (whole.status_code, whole.json()["size"]) == (200, MAX_SIZE)


async def test_a_file_that_is_too_large_is_not_read_to_its_end(caller: Caller, callers: Callers) -> None:
    made = await link(caller)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1024 * 1024
            yield b"\0" * 1024 * 1024

    with pytest.raises((httpx2.WriteError, httpx2.ReadError, httpx2.RemoteProtocolError)):
        reply = await callers.client().put(made["upload_url"], content=endless(), headers=MP3)
        assert reply.status_code == 413
        raise httpx2.ReadError("answered in time")
    assert read < 10 * MAX_SIZE


async def test_an_upload_that_breaks_off_leaves_nothing(caller: Caller, callers: Callers) -> None:
    made = await link(caller)

    async def broken() -> AsyncIterator[bytes]:
        yield b"\0" * 6_000_000
        raise ConnectionError("the line is cut")

    with pytest.raises(ConnectionError):
        await callers.client().put(made["upload_url"], content=broken(), headers=MP3)

    async def taken_again() -> bool:
        reply = await callers.client().put(made["upload_url"], content=b"whole", headers=MP3)
        return reply.status_code == 200

    assert made["file_key"] not in stored(callers)
    await until(taken_again)
    assert (await caller.http.get(f"/api/v1/workflow/{made['file_key']}")).content == b"whole"


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("office-background.mp3", "office-background.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\sounds\\Büro Lärm.MP3", "Buro-Larm.MP3"),
        ("a\r\nb\0.wav", "a-b.wav"),
        ("...", "file"),
        (".htaccess", "htaccess"),
        ("雑音.ogg", "ogg"),
        ("<script>alert(1)</script>.mp3", "script.mp3"),
        ("x" * 300 + ".mp3", "x" * 97 + ".mp3"),
        ("a?b#c%2F..%2Fd&e.mp3", "a-b-c-2F..-2Fd-e.mp3"),
    ],
)
def test_names_are_sanitised(given: str, safe: str) -> None:
    assert safe_name(given) == safe


async def test_an_odd_name_makes_a_link_that_works(caller: Caller, callers: Callers) -> None:
    made = await link(caller, filename="../a b?c#d%2f é.mp3")
    assert made["file_key"].count("/") == 2
    reply = await callers.client().put(made["upload_url"], content=b"x", headers=MP3)
    assert reply.status_code == 200, reply.text


async def test_a_missing_scope_and_an_idempotency_key(caller: Caller, callers: Callers) -> None:
    reader = await callers.new(scopes=["graphs:read"])
    assert (await reader.http.post(f"{NOISE}/upload-url", json=SOUND)).status_code == 403
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, again = [await caller.http.post(f"{NOISE}/upload-url", json=SOUND, headers=key) for _ in range(2)]
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"


@pytest.fixture
def s3_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    bucket = uuid.uuid4().hex
    s3.create_bucket(Bucket=bucket)
    s3.close()
    yield f"s3://{bucket}/of/cairn"
    server.stop()


async def test_files_are_kept_in_s3(settings, s3_url: str) -> None:
    settings = settings.model_copy(update={"storage_url": s3_url})
    database = Database(create_engine(settings.database))
    async with served(settings) as url:
        callers = Callers(url, database, settings)
        caller = await callers.new()
        made, sound = await link(caller), os.urandom(7_000_000)  # more than a part of a multipart upload
        too_large = await callers.client().put(made["upload_url"], content=chunks(MAX_SIZE + 1), headers=MP3)
        assert (too_large.status_code, stored(callers)) == (413, [])
        sent = await callers.client().put(made["upload_url"], content=sound, headers=MP3)
        assert sent.status_code == 200, sent.text
        assert stored(callers) == [made["file_key"]]
        assert (await caller.http.get(f"/api/v1/workflow/{made['file_key']}")).content == sound
        await callers.close()
    await database.dispose()


async def test_a_storage_that_is_away_is_a_503_and_the_link_lives(
    settings, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings.model_copy(update={"storage_url": "s3://no-such-bucket/x"})
    database = Database(create_engine(settings.database))
    async with served(settings) as url:
        callers = Callers(url, database, settings)
        caller = await callers.new()
        made = await link(caller)
        for _ in range(2):
            reply = await callers.client().put(made["upload_url"], content=b"x", headers=MP3)
            assert reply.status_code == 503 and "Retry-After" in reply.headers, reply.text
        await callers.close()
    await database.dispose()
