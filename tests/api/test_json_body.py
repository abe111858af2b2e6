"""Request bodies are strict JSON, whatever is sent."""

from __future__ import annotations

import time

import pytest
from starlette.exceptions import HTTPException

from api.kit.json_body import is_json, parse_json


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"1" * 400, int("1" * 400)),
        (b"1e300", 1e300),
        (b"1e-999", 0.0),
        ('"é🗿"'.encode(), "é🗿"),
        (b"[" * 200 + b"]" * 200, None),
    ],
)
def test_json_is_parsed(body: bytes, value) -> None:
    parsed = parse_json(body)
    assert value is None or parsed == value


@pytest.mark.parametrize("body", [b"1e400", b"[-1e999]", b"1" * 400 + b".0", b'{"a": {"b": [1E+309]}}'])
def test_a_number_that_is_too_large_is_refused(body: bytes) -> None:
    with pytest.raises(HTTPException) as refused:
        parse_json(body)
    assert refused.value.status_code == 400 and "too large" in refused.value.detail


def test_a_body_full_of_digits_takes_no_long_time() -> None:
    body = b"[" + b",".join([b"1" * 299] * 30_000) + b"]"
    began = time.process_time()
    assert len(parse_json(body)) == 30_000
    assert time.process_time() - began < 5


def test_media_types() -> None:
    assert is_json("application/json") and is_json("application/merge-patch+json; charset=utf-8")
    assert not is_json("text/json") and not is_json("application/jsonl") and not is_json("")
