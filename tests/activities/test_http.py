from __future__ import annotations

import gzip
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from calls import fail, node_call, run
from servers.listen import serve, serve_raw
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from activities.http import REPLY_LIMIT, HttpActivities
from cairn.domain.credentials import CredentialHeaders, CredentialService, Sealer
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings

# Opened by no call that names no credential.
NO_DATABASE = CredentialHeaders(Database(create_engine("sqlite+aiosqlite:///none.db")), Sealer([("k", bytes(32))]))
ANY = HttpActivities(Settings(http_allow_private=True), NO_DATABASE).http_request
PUBLIC = HttpActivities(Settings(), NO_DATABASE).http_request


async def show(request: Request) -> Response:
    body = (await request.body()).decode()
    return JSONResponse({"method": request.method, "headers": dict(request.headers), "body": body}, 201)


async def status(request: Request) -> Response:
    headers = {"retry-after": request.query_params["after"]} if "after" in request.query_params else {}
    return PlainTextResponse("the reason", int(request.path_params["code"]), headers)


async def reply(request: Request) -> Response:
    return REPLIES[request.path_params["name"]]


REPLIES = {
    "text": Response("grüß", media_type="text/plain; charset=latin-1".replace("latin-1", "utf-8")),
    "latin": Response("grüß".encode("latin-1"), headers={"content-type": "text/plain; charset=latin-1"}),
    "charset": Response(b"x", headers={"content-type": "text/plain; charset=nonsense"}),
    "problem": Response(b'{"a": 1}', media_type="application/problem+json"),
    "malformed": Response(b'{"a": ', media_type="application/json"),
    "nan": Response(b'{"a": NaN}', media_type="application/json"),
    "infinite": Response(b'{"a": 1e999}', media_type="application/json"),
    "surrogate": Response(b'{"a": "\\ud800"}', media_type="application/json"),
    "deep": Response(b"[" * 5_000 + b"]" * 5_000, media_type="application/json"),
    "empty": Response(status_code=204),
    "gzip": Response(gzip.compress(b"small"), headers={"content-encoding": "gzip"}),
    "large": Response(b"x" * (REPLY_LIMIT + 1)),
    "full": Response(b"x" * REPLY_LIMIT, media_type="text/plain"),
    "bomb": Response(gzip.compress(b"0" * (REPLY_LIMIT * 4)), headers={"content-encoding": "gzip"}),
    "nested": Response(gzip.compress(gzip.compress(b"x")), headers={"content-encoding": "gzip, gzip"}),
    "redirect": RedirectResponse("http://169.254.169.254/latest/"),
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@pytest.fixture(scope="module")
async def base() -> AsyncGenerator[str]:
    routes = [
        Route("/show", show, methods=METHODS),
        Route("/status/{code}", status, methods=METHODS),
        Route("/reply/{name}", reply),
    ]
    async with serve(Starlette(routes=routes)) as url:
        yield url


async def send(url: str, **data: Any) -> Any:
    return (await run(ANY, node_call(url=url, **data))).value


async def test_a_reply_has_status_headers_and_body(base: str) -> None:
    value = await send(f"{base}/show", method="GET", headers={"X-Name": "v"})
    assert value["status"] == 201
    assert value["headers"]["content-type"] == "application/json"
    assert value["body"]["headers"]["x-name"] == "v"


@pytest.mark.parametrize(
    ("kind", "data", "secrets"),
    [
        ("bearer_token", {"token": 'hush-"hush"'}, ['hush-"hush"']),
        ("basic_auth", {"username": "ann", "password": "pa:ss"}, ["YW5uOnBhOnNz", "pa:ss"]),
        ("api_key", {"api_key": "key-of-theirs"}, ["key-of-theirs"]),
        ("custom_header", {"header_name": "X-Auth", "header_value": "Token s3cret"}, ["Token s3cret", "s3cret"]),
        ("custom_header", {"header_name": "Authorization", "header_value": "basic YW5uOnBhOnNz"}, ["pa:ss"]),
        ("custom_header", {"header_name": "X-Auth", "header_value": "Basic YW5uOnDkc3M="}, ["YW5uOnDkc3M=", "päss"]),
        ("api_key", {"api_key": "Basic plan-3"}, ["plan-3"]),
        ("api_key", {"api_key": "Basic x"}, ["Basic x"]),
    ],
)
async def test_what_a_refusal_repeats_of_a_credential_is_not_kept(
    base: str, sqlite_url: str, kind: Any, data: dict[str, str], secrets: list[str]
) -> None:
    database, sealer = Database(create_engine(sqlite_url)), Sealer([("k", bytes(32))])
    async with database.transaction() as session:
        made = await CredentialService(session, Scope("t", True), sealer).create("c", kind, data)
    request = HttpActivities(Settings(http_allow_private=True), CredentialHeaders(database, sealer)).http_request
    call = {"url": f"{base}/show", "expect": [200], "method": "POST", "body": " ".join(["x" * 150, *secrets])}
    error = await fail(request, node_call(**call, has_body=True, credential_uuid=made.uuid))
    told = str(error.details) + str(error)
    assert error.type == "http_status" and '"method":"POST"' in told
    assert "hush" not in told and not [secret for secret in secrets if secret in told]
    await database.dispose()


async def test_a_credential_of_the_tenant_is_sent_and_one_of_another_is_not(base: str, sqlite_url: str) -> None:
    database, sealer = Database(create_engine(sqlite_url)), Sealer([("k", bytes(32))])
    uuids = {}
    async with database.transaction() as session:
        for tenant, live in (("t", True), ("t", False), ("other", True)):
            service = CredentialService(session, Scope(tenant, live), sealer)
            uuids[tenant, live] = (await service.create("n", "bearer_token", {"token": f"{tenant}-{live}"})).uuid
    request = HttpActivities(Settings(http_allow_private=True), CredentialHeaders(database, sealer)).http_request
    call = {"url": f"{base}/show", "headers": {"authorization": "mine", "X-Kept": "v"}}
    reply = (await run(request, node_call(**call, credential_uuid=uuids["t", True]))).value
    sent = reply["body"]["headers"]
    assert (sent["authorization"], sent["x-kept"]) == ("Bearer t-True", "v")
    for uuid in (uuids["t", False], uuids["other", True], "\ud800", "nonsense"):
        error = await fail(request, node_call(**call, credential_uuid=uuid))
        assert (error.type, error.non_retryable) == ("credential_not_found", True)
    elsewhere = HttpActivities(
        Settings(http_allow_private=True), CredentialHeaders(database, Sealer([("b", bytes(32))]))
    )
    error = await fail(elsewhere.http_request, node_call(**call, credential_uuid=uuids["t", True]))
    assert (error.type, error.non_retryable) == ("credential_key_unknown", False)
    await database.dispose()


@pytest.mark.parametrize(
    ("body", "headers", "content_type", "sent"),
    [
        ({"a": ["é", None]}, {}, "application/json", '{"a": ["é", null]}'),
        (None, {}, "application/json", "null"),
        ("plain", {}, "text/plain; charset=utf-8", "plain"),
        ('{"a":1}', {"Content-Type": "application/json"}, "application/json", '{"a":1}'),
        (
            {"a": "x y", "b": [1, 2]},
            {"content-type": "application/x-www-form-urlencoded"},
            "application/x-www-form-urlencoded",
            "a=x+y&b=1&b=2",
        ),
    ],
)
async def test_a_body_is_sent_as_its_type_asks(
    base: str, body: Any, headers: dict[str, str], content_type: str, sent: str
) -> None:
    value = await send(f"{base}/show", method="post", body=body, has_body=True, headers=headers)
    assert value["body"]["headers"]["content-type"] == content_type
    assert value["body"]["body"] == sent


async def test_no_body_is_sent_when_there_is_none(base: str) -> None:
    value = await send(f"{base}/show", method="POST", body=None, has_body=False)
    assert value["body"]["body"] == ""
    assert "content-type" not in value["body"]["headers"]


@pytest.mark.parametrize("method", METHODS)
async def test_unsafe_methods_carry_an_idempotency_key(base: str, method: str) -> None:
    headers = (await send(f"{base}/show", method=method))["body"]["headers"]
    assert headers.get("idempotency-key") == (None if method == "GET" else "e1/n1/1/l1")


async def test_the_authors_idempotency_key_stays(base: str) -> None:
    value = await send(f"{base}/show", method="POST", headers={"Idempotency-Key": "mine"})
    assert value["body"]["headers"]["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("text", "grüß"),
        ("latin", "grüß"),
        ("charset", "x"),
        ("problem", {"a": 1}),
        ("malformed", '{"a": '),
        ("nan", '{"a": NaN}'),
        ("infinite", '{"a": 1e999}'),
        ("surrogate", '{"a": "\\ud800"}'),
        ("deep", "[" * 5_000 + "]" * 5_000),
        ("empty", ""),
        ("gzip", "small"),
    ],
)
async def test_a_body_is_parsed_when_it_is_json_and_else_text(base: str, name: str, body: Any) -> None:
    assert (await send(f"{base}/reply/{name}"))["body"] == body


async def test_a_reply_may_be_10_mib_and_no_larger(base: str) -> None:
    assert len((await send(f"{base}/reply/full"))["body"]) == REPLY_LIMIT
    for name in ("large", "bomb", "nested"):
        error = await fail(ANY, node_call(url=f"{base}/reply/{name}"))
        assert (error.type, error.non_retryable) == ("invalid_reply", True)


@pytest.mark.parametrize(
    ("code", "type", "final"),
    [
        (400, "http_status", True),
        (401, "http_status", True),
        (404, "http_status", True),
        (409, "http_status", True),
        (408, "http_status", False),
        (429, "rate_limited", False),
        (500, "http_status", False),
        (503, "http_status", False),
    ],
)
async def test_statuses(base: str, code: int, type: str, final: bool) -> None:
    error = await fail(ANY, node_call(url=f"{base}/status/{code}?secret=1", method="POST"))
    assert (error.type, error.non_retryable) == (type, final)
    assert error.message == f"POST {base}/status/{code} replied with status {code}"
    assert error.details[0]["cause"] == "the reason"


async def test_the_author_says_which_statuses_are_expected(base: str) -> None:
    assert (await send(f"{base}/status/404", expect=[200, 404]))["status"] == 404
    assert (await fail(ANY, node_call(url=f"{base}/show", expect=[200]))).type == "http_status"


@pytest.mark.parametrize(("after", "seconds"), [("7", 7), ("0", 0), ("99999999", 3600), ("soon", None), ("-1", None)])
async def test_retry_after_is_the_next_delay(base: str, after: str, seconds: int | None) -> None:
    error = await fail(ANY, node_call(url=f"{base}/status/503?after={after}"))
    assert error.next_retry_delay == (None if seconds is None else timedelta(seconds=seconds))


async def test_retry_after_may_be_a_date(base: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True).replace(" ", "%20")
    error = await fail(ANY, node_call(url=f"{base}/status/429?after={date}"))
    assert timedelta(seconds=50) < error.next_retry_delay <= timedelta(seconds=60)


async def test_a_redirect_is_not_followed(base: str) -> None:
    error = await fail(ANY, node_call(url=f"{base}/reply/redirect"))
    assert (error.type, error.non_retryable) == ("http_status", True)
    assert "status 307 to http://169.254.169.254/latest/, which is not followed" in error.message


async def test_a_host_that_does_not_answer_in_time() -> None:
    async with serve_raw(b"", hang=True) as url:
        error = await fail(ANY, node_call(url=url, timeout=0.1))
    assert (error.type, error.non_retryable) == ("timeout", False)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"not HTTP at all\r\n\r\n",
    ],
)
async def test_a_connection_that_breaks_is_retried(reply: bytes) -> None:
    async with serve_raw(reply) as url:
        error = await fail(ANY, node_call(url=url))
    assert (error.type, error.non_retryable) == ("connection_error", False)


async def test_nobody_listens_or_no_such_host() -> None:
    for url in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        error = await fail(ANY, node_call(url=url))
        assert (error.type, error.non_retryable) == ("connection_error", False)


@pytest.mark.parametrize(
    "data",
    [
        {"url": "ftp://host/x"},
        {"url": "file:///etc/passwd"},
        {"url": "/relative"},
        {"url": ""},
        {"url": "http://"},
        {"url": "http://[::1"},
        {"url": "http://host:99999/"},
        {"headers": {"x": "a\r\nInjected: 1"}},
        {"headers": {"bad name": "a"}},
        {"headers": {"x": "€"}},
        {"method": "G ET"},
        {"method": "POST", "body": float("nan"), "has_body": True},
    ],
)
async def test_what_is_no_request_is_refused(base: str, data: dict[str, Any]) -> None:
    error = await fail(ANY, node_call(**{"url": f"{base}/show"} | data))
    assert (error.type, error.non_retryable) == ("invalid_request", True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_a_private_address_is_refused_however_it_is_written(base: str, host: str) -> None:
    port = base.rpartition(":")[2]
    error = await fail(PUBLIC, node_call(url=f"http://{host}:{port}/show"))
    assert (error.type, error.non_retryable) == ("address_refused", True)


async def test_secrets_of_a_url_are_not_told() -> None:
    error = await fail(ANY, node_call(url="http://user:password@127.0.0.1:9/path?token=secret"))
    assert error.message.startswith("GET http://127.0.0.1:9/path cannot be reached")
    assert "password" not in str(error) and "secret" not in str(error)


async def test_a_call_of_another_run_sends_nothing(base: str) -> None:
    assert (await fail(ANY, node_call(url=f"{base}/show", run_id="before the reset"))).type == "parked"
