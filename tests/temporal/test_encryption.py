"""Encryption of payloads by itself."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from cairn.cli.doctor import _examine
from cairn.contracts.nodes import NodeResult
from cairn.errors import InvalidInput
from cairn.settings import Settings
from cairn.temporal.connection import data_converter
from cairn.temporal.encryption import PayloadDamaged, PayloadKeys, PayloadKeyUnknown

ONE, TWO = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
SECRET = "the patient's name"
VALUE = NodeResult(value=SECRET)


def settings(home: Path, keys: str | None = None, **more) -> Settings:
    return Settings(home=home, payload_keys=keys, **more)


async def encoded(home: Path, keys: str | None, value: object = VALUE, **more) -> Payload:
    (payload,) = await data_converter(settings(home, keys, **more)).encode([value])
    return payload


async def decoded(home: Path, keys: str | None, payload: Payload) -> object:
    (value,) = await data_converter(settings(home, keys)).decode([payload], [NodeResult])
    return value


async def test_nothing_is_encrypted_by_default(tmp_path: Path) -> None:
    payload = await encoded(tmp_path, None)
    assert SECRET.encode() in payload.data


async def test_what_is_encrypted_comes_back_and_shows_nothing(tmp_path: Path) -> None:
    one, two = [await encoded(tmp_path, f"k1:{ONE}") for _ in range(2)]
    assert SECRET.encode() not in one.SerializeToString()
    assert one.data != two.data
    assert await decoded(tmp_path, f"k1:{ONE}", one) == VALUE


async def test_the_first_key_encrypts_and_all_decrypt(tmp_path: Path) -> None:
    old = await encoded(tmp_path, f"k1:{ONE}")
    new = await encoded(tmp_path, f"k2:{TWO},k1:{ONE}")
    assert new.metadata["encryption-key-id"] == b"k2"
    for payload in (old, new):
        assert await decoded(tmp_path, f"k1:{ONE},k2:{TWO}", payload) == VALUE


async def test_plain_payloads_pass_and_plain_first_keeps_new_ones_plain(tmp_path: Path) -> None:
    plain = await encoded(tmp_path, f"plain,k1:{ONE}")
    assert SECRET.encode() in plain.data
    assert await decoded(tmp_path, f"k1:{ONE}", plain) == VALUE
    assert await decoded(tmp_path, f"plain,k1:{ONE}", await encoded(tmp_path, f"k1:{ONE}")) == VALUE


@pytest.mark.parametrize("keys", [None, "plain", f"k2:{TWO}"])
async def test_an_unknown_key_is_named(tmp_path: Path, keys: str | None) -> None:
    payload = await encoded(tmp_path, f"k1:{ONE}")
    with pytest.raises(PayloadKeyUnknown, match="'k1'") as raised:
        await decoded(tmp_path, keys, payload)
    assert (raised.value.code, raised.value.status) == ("payload_key_unknown", 503)


async def test_another_key_under_the_id_or_changed_bytes_are_refused(tmp_path: Path) -> None:
    payload = await encoded(tmp_path, f"k1:{ONE}")
    with pytest.raises(PayloadDamaged):
        await decoded(tmp_path, f"k1:{TWO}", payload)
    for data in (payload.data[:-1] + bytes([payload.data[-1] ^ 1]), payload.data[:10], b""):
        with pytest.raises(PayloadDamaged):
            await decoded(tmp_path, f"k1:{ONE}", Payload(metadata=payload.metadata, data=data))


async def test_the_id_of_the_key_is_authenticated(tmp_path: Path) -> None:
    payload = await encoded(tmp_path, f"k1:{ONE}")
    payload.metadata["encryption-key-id"] = b"k2"
    with pytest.raises(PayloadDamaged):
        await decoded(tmp_path, f"k2:{ONE}", payload)


async def test_messages_and_traces_of_failures_are_encrypted(tmp_path: Path) -> None:
    converter = data_converter(settings(tmp_path, f"k1:{ONE}"))
    failure = Failure()
    try:
        raise ApplicationError(SECRET, {"cause": SECRET}, type="wrong") from ValueError(SECRET)
    except ApplicationError as error:
        await converter.encode_failure(error, failure)
    assert SECRET.encode() not in failure.SerializeToString()
    assert b"test_encryption" not in failure.SerializeToString()
    back = await converter.decode_failure(failure)
    assert isinstance(back, ApplicationError)
    assert (back.message, back.type, back.details) == (SECRET, "wrong", ({"cause": SECRET},))
    assert SECRET in str(back.__cause__)


async def test_large_payloads_are_encrypted_before_they_are_stored(tmp_path: Path) -> None:
    large = NodeResult(value=SECRET * 10_000)
    payload = await encoded(tmp_path, f"k1:{ONE}", large)
    assert payload.ByteSize() < 300
    (blob,) = (path for path in (tmp_path / "blobs").rglob("*") if path.is_file())
    assert SECRET.encode() not in blob.read_bytes()
    assert await decoded(tmp_path, f"k2:{TWO},k1:{ONE}", payload) == large
    with pytest.raises(PayloadKeyUnknown):
        await decoded(tmp_path, None, payload)


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"k2:{TWO}\nk1:{ONE}\n")
    keys = PayloadKeys.of(settings(tmp_path, payload_keys_file=file))
    assert (keys.ids, keys.first) == (["k2", "k1"], "k2")


@pytest.mark.parametrize(
    "keys",
    [
        ONE,
        f":{ONE}",
        f"a b:{ONE}",
        f"plain:{ONE}",
        "k1:",
        f"k1:{ONE[:-8]}",
        f"k1:{ONE},k1:{TWO}",
        "k1:" + base64.b64encode(b"x" * 16).decode(),
        f"k1:{ONE}!",
    ],
)
def test_a_wrong_list_is_refused_without_showing_it(keys: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="CAIRN_PAYLOAD_KEYS") as raised:
        PayloadKeys.of(settings(tmp_path, keys))
    assert ONE[:8] not in str(raised.value)


@pytest.mark.parametrize("empty", ["", " \n", ",,"])
def test_a_list_that_names_no_key_does_not_turn_encryption_off(empty: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(empty)
    with pytest.raises(InvalidInput, match="CAIRN_PAYLOAD_KEYS_FILE names no key"):
        PayloadKeys.of(settings(tmp_path, payload_keys_file=file))
    if empty:
        with pytest.raises(InvalidInput, match="CAIRN_PAYLOAD_KEYS names no key"):
            PayloadKeys.of(settings(tmp_path, empty))


def test_a_missing_file_and_two_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: FileNotFoundError"):
        PayloadKeys.of(settings(tmp_path, payload_keys_file=tmp_path / "none"))
    with pytest.raises(InvalidInput, match="not both"):
        PayloadKeys.of(settings(tmp_path, f"k1:{ONE}", payload_keys_file=tmp_path / "none"))


async def test_no_text_shows_a_key(tmp_path: Path) -> None:
    given = settings(tmp_path, f"k1:{ONE}", temporal_port=9, api_port=9)
    shown = [repr(given), str(given.model_dump()), repr(PayloadKeys.of(given)), repr(data_converter(given))]
    shown += [repr(finding) for finding in await _examine(given)]
    assert not [text for text in shown if ONE[:16] in text or "\\x01\\x01" in text]
    assert any("k1" in text for text in shown)
