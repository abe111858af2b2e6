"""Links that answer without a key."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cairn.domain.requests.link import make_token, read_token
from cairn.errors import Gone, NotFound
from cairn.persistence.tables import RequestRow
from cairn.persistence.types import utc_now

SECRET = b"secret"


def row(**more) -> RequestRow:
    return RequestRow(
        id=f"appr_{'0' * 32}", kind="approval", tenant="t", execution_id="e", temporal_id="e", run_id="r", lineage="r",
        node_id="n", visit=1, **more,
    )  # fmt: skip


def test_a_token_names_its_request_until_the_deadline() -> None:
    asked = row(expires_at=utc_now() + timedelta(hours=1))
    token = make_token(SECRET, asked)
    assert read_token(SECRET, token) == asked.id
    assert make_token(SECRET, asked) == token
    with pytest.raises(Gone):
        read_token(SECRET, make_token(SECRET, row(expires_at=utc_now() - timedelta(minutes=2))))
    with pytest.raises(Gone):
        read_token(SECRET, make_token(SECRET, row(requested_at=utc_now() - timedelta(days=31))))
    assert read_token(SECRET, make_token(SECRET, row())) == asked.id
    just = make_token(SECRET, row(expires_at=utc_now() - timedelta(seconds=10)))
    assert read_token(SECRET, just) == asked.id, "the execution says whether it is too late"


def test_a_token_that_was_changed_or_made_elsewhere_is_none() -> None:
    token = make_token(SECRET, row())
    request_id, until, signature = token.split(".")
    later = f"{request_id}.{int(until) + 1}.{signature}"
    other = f"qst_{'0' * 32}.{until}.{signature}"
    for wrong in (
        later,
        other,
        token[:-1],
        token + "A",
        "",
        ".",
        "..",
        "a.b.c",
        "\ud800",
        "ü",
        make_token(b"x", row()),
    ):
        with pytest.raises(NotFound):
            read_token(SECRET, wrong)
