"""Secrets are in no log line: of the installation, of callers, of links; at any level, in either format."""

from __future__ import annotations

import html
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import structlog
from pydantic import SecretStr

from cairn.domain.keys import PREFIXES
from cairn.domain.keys.token import make_token, public_part
from cairn.domain.requests import link
from cairn.observability import configure_logging, get_logger
from cairn.observability.redaction import HIDDEN, hidden
from cairn.persistence.tables import RequestRow
from cairn.persistence.types import utc_now
from cairn.settings import Settings

PROVIDER, OTHER = "sk-live-provider-key-1", "AIza-other-provider-key"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("GEMINI_API_KEY", OTHER)
    stream = io.StringIO()
    settings = Settings(log_level="DEBUG", log_format=request.param, openai_api_key=SecretStr(PROVIDER))
    configure_logging(settings, "api", stream)
    return stream


def link_token() -> str:
    row = RequestRow(
        id="appr_" + 32 * "a", tenant="t", live=True, kind="approval", execution_id="e", temporal_id="e", run_id="r",
        lineage="r", node_id="n", visit=1, prompt="?", requested_at=utc_now(),
    )  # fmt: skip
    return link.make_token(b"secret", row)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_of_an_api_key_the_public_part_is_shown(log: io.StringIO, prefix: str) -> None:
    key = make_token(prefix)
    logging.getLogger("a.library").debug("headers: %r", {"X-API-Key": key, "authorization": f"Bearer {key}"})
    get_logger("cairn").info("request", path=f"/x/{key}", key=key)
    assert key not in log.getvalue() and key[len(key) - 20 :] not in log.getvalue()
    assert public_part(key) in log.getvalue()


def test_what_the_installation_is_configured_with_is_hidden_wherever_it_stands(log: io.StringIO) -> None:
    try:
        raise ValueError(f"Incorrect API key provided: {PROVIDER}")
    except ValueError:
        get_logger("cairn").exception("failed", given=[OTHER])
    logging.getLogger("openai").debug("Request options: %s", {"headers": {"x-goog-api-key": OTHER, "k": PROVIDER}})
    assert "Incorrect API key" in log.getvalue()
    assert PROVIDER not in log.getvalue() and OTHER not in log.getvalue()


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("TEMPORAL_API_KEY", "temporal-cloud-key", "temporal-cloud-key"),
        ("AWS_SECRET_ACCESS_KEY", "wJalr/bPxRfiCY+KEY", "wJalr/bPxRfiCY+KEY"),
        ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2Vj", "IQoJb3JpZ2luX2Vj"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "Eby8vdM02xNOcqFl", "Eby8vdM02xNOcqFl"),
        ("PGPASSWORD", "database-pass", "database-pass"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=cairn,x-collector-key=c-k-12345", "c-k-12345"),
    ],
)
def test_so_is_what_libraries_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, secret: str
) -> None:
    monkeypatch.setenv(name, value)
    stream = io.StringIO()
    configure_logging(Settings(log_level="DEBUG"), "worker", stream)
    logging.getLogger("a.library").debug("options: %r", {"x-collector-key": secret})
    assert "x-collector-key" in stream.getvalue() and secret not in stream.getvalue()


def test_links_and_passwords_in_urls_are_hidden(log: io.StringIO) -> None:
    token = link_token()
    get_logger("cairn").info("request", path=f"/api/v1/hooks/requests/{token}", token=token)
    get_logger("cairn").info("put", url="https://host/file?expires=1&signature=c2lnbmF0dXJl&x=1")
    get_logger("cairn").info("database", url="postgresql+psycopg://cairn:pass-word@host/db")
    logging.getLogger("mcp").debug("Authorization: Basic dXNlcjpwYXNz")
    said = log.getvalue()
    assert token.rpartition(".")[2] not in said
    for secret in ("c2lnbmF0dXJl", "pass-word", "dXNlcjpwYXNz"):
        assert secret not in said
    for plain in ("/api/v1/hooks/requests/appr_", "expires=1", "x=1", "cairn:…@host/db"):
        assert plain in said


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:secret-1@host/x?page=1",
        "https://secret-1@host/x?page=1",
        "https://ann:@host/x?client_secret=secret-1&page=1",
        "https://host/x?page=1&X-Amz-Signature=secret-1",
        "https://host/x?page=1&subscription-key=secret-1#x",
        "https://host/x?page=1&Password=secret-1",
        "https://host/x?page=1&sig=secret-1",
        "https://host/x?page=1&auth=secret-1",
    ],
)
def test_so_are_other_names_of_secrets_in_urls(log: io.StringIO, url: str) -> None:
    logging.getLogger("a.library").info("asked %s", url)
    said = log.getvalue()
    assert "secret-1" not in said
    assert "host/x?" in said and "page=1" in said


def test_what_is_written_into_the_database_is_not_told(log: io.StringIO) -> None:
    logging.getLogger("aiosqlite").debug("executing %s", "UPDATE executions SET output='of a tenant'")
    assert "of a tenant" not in log.getvalue()


def test_ordinary_lines_stay_as_they_are(log: io.StringIO) -> None:
    get_logger("cairn").info("the bearer of news", path="/api/v1/executions/exec_1", time="10:20:30", at="a@b.example")
    for plain in ("the bearer of news", "/api/v1/executions/exec_1", "10:20:30", "a@b.example"):
        assert plain in log.getvalue()


AWKWARD = [
    "sk-'\"\\live",
    '"quoted"',
    r"\\begins\u0022and%41ends\ ",
    "a/b+c&d<é> f",
    "lines\nand\ttabs\x01",
    "astral😀key",
]


def in_javascript(text: str) -> str:
    return "".join(char if char.isalnum() and char.isascii() else f"\\u{ord(char):04X}" for char in text)


@pytest.mark.parametrize("secret", [each for each in AWKWARD if "😀" not in each])
def test_a_secret_that_javascript_writes_in_escapes_is_hidden(secret: str) -> None:
    assert hidden(f"key={in_javascript(secret)};", [secret]) == f"key={HIDDEN};"


WRITERS: list[Callable[[str], str]] = [
    str,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(text).replace("/", r"\/"),
    repr,
    lambda text: repr(text + "\"'"),
    lambda text: repr(text.encode()),
    lambda text: json.dumps(repr({"told": text + "\"'"})),
    lambda text: repr(json.dumps({"told": json.dumps(text)})),
    lambda text: quote(text, safe=""),
    quote_plus,
    lambda text: quote(quote(text)).replace("%5C", "%5c"),
    html.escape,
    lambda text: html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    lambda text: json.dumps(html.escape(quote(text))),
]


@pytest.mark.parametrize("secret", AWKWARD)
@pytest.mark.parametrize("writes", WRITERS)
def test_a_secret_is_hidden_however_it_is_written(secret: str, writes: Callable[[str], str]) -> None:
    # Which quotes are around it depends on what is in it.
    told, expected = (re.sub(r"[\\'\"]", "", each) for each in (hidden(writes(secret), [secret]), writes("X")))
    assert told == expected.replace("X", HIDDEN)


def test_only_secrets_are_hidden() -> None:
    text = "sk-live1 sk_live sk-lIve %73k-live \\ \" ' n"
    assert hidden(text, ["sk-live", ""]) == text.replace("sk-live1", f"{HIDDEN}1")
    assert hidden(text, []) == text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_so_is_one_in_a_log_line(log_format: Any) -> None:
    stream, key = io.StringIO(), "sk-'\"\\live-key"
    configure_logging(Settings(log_level="DEBUG", log_format=log_format, openai_api_key=SecretStr(key)), "api", stream)
    logging.getLogger("openai").debug("Request options: %s", {"headers": {"key": key}})
    try:
        raise ValueError(f"Incorrect API key provided: {key}")
    except ValueError:
        get_logger("cairn").exception("failed", given={"a": [key]})
    assert f"ValueError: Incorrect API key provided: {HIDDEN}" in stream.getvalue()
    assert "live-key" not in stream.getvalue()
