"""The activity that sends an HTTP request."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from urllib.parse import urlencode

import httpx2
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import node_error
from activities.guard import guard, heartbeating
from cairn.contracts.json import Json, JsonObject, parse
from cairn.contracts.nodes import HTTP_REQUEST, NodeCall, NodeResult
from cairn.domain.credentials import CredentialHeaders
from cairn.errors import CairnError, Unavailable
from cairn.observability.redaction import hidden
from cairn.providers.http import AddressRefused, open_client, retry_after
from cairn.providers.request_secrets import in_headers, in_request
from cairn.settings import Settings

REPLY_LIMIT = 10 * 1024 * 1024
"""Bytes of a reply's body, decompressed; a larger one is an error."""

_CONNECT_TIMEOUT = 10.0
_TIMEOUT = 300.0
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_TRANSIENT = frozenset({408, 425, 429})
_EXCERPT = 500
# Others could unfold a few bytes into gigabytes in one step, and so could one encoding inside another.
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)


class HttpActivities:
    """Sends requests for ``http`` nodes; without ``http_allow_private`` only to public addresses."""

    def __init__(self, settings: Settings, credentials: CredentialHeaders) -> None:
        self._allow_private = settings.http_allow_private
        self._credentials = credentials

    @activity.defn(name=HTTP_REQUEST.name)
    async def http_request(self, call: NodeCall) -> NodeResult:
        """Send a request and return ``{status, headers, body}``; the body is parsed when it is JSON, else text.

        Redirects are not followed. An unsafe method carries an ``Idempotency-Key`` unless the author set one.

        Raises:
            ApplicationError: retryable: ``timeout``, ``connection_error``, ``rate_limited`` (429) and ``http_status``
                for 408, 425 and 5xx, ``unavailable`` and ``credential_key_unknown``; not retryable: ``http_status`` for
                others, ``address_refused``, ``invalid_request``, ``invalid_reply``, ``credential_not_found``.
        """
        guard(call)
        secrets = in_request(str(call.data["url"]), call.data.get("headers") or {})
        async with heartbeating():
            try:
                return NodeResult(value=await self._exchange(call, secrets))
            except CairnError as error:
                raise node_error(error.code, error.message, retryable=isinstance(error, Unavailable)) from error
            except AddressRefused as error:
                raise node_error("address_refused", str(error), retryable=False) from error
            except httpx2.HTTPError as error:
                # Not from the error: what it says would stand in history as the cause.
                raise _failure(call, error, secrets) from None

    async def _exchange(self, call: NodeCall, secrets: set[str]) -> JsonObject:
        """Send the request; what the credential adds to the secrets is added to them."""
        timeout = httpx2.Timeout(call.timeout or _TIMEOUT, connect=_CONNECT_TIMEOUT)
        secret = await self._credentials.of(call.tenant, call.live, call.data.get("credential_uuid"))
        secrets |= in_headers(secret)
        # One client a call: executions share neither cookies nor connections.
        async with open_client(allow_private=self._allow_private, timeout=timeout) as client:
            response = await client.send(_request(client, call, secret, secrets), stream=True)
            try:
                content = await _read(response, call)
            finally:
                await response.aclose()
        _check_status(response, content, call, secrets)
        return {"status": response.status_code, "headers": dict(response.headers), "body": _body(response, content)}


def _request(
    client: httpx2.AsyncClient, call: NodeCall, secret: Mapping[str, str], secrets: Collection[str]
) -> httpx2.Request:
    data = call.data
    method = str(data.get("method") or "GET").upper()
    try:
        given: JsonObject = data.get("headers") or {}
        headers = httpx2.Headers({name: str(value) for name, value in given.items()})
        headers.update(secret)
        headers.setdefault("accept-encoding", "gzip, deflate")
        if method not in _SAFE_METHODS:
            headers.setdefault("idempotency-key", _header_safe(call.idempotency_key))
        content = _encode(data.get("body"), headers) if data.get("has_body") else None
        request = client.build_request(method, str(data["url"]), headers=headers, content=content)
    except (httpx2.InvalidURL, ValueError, TypeError) as error:
        message = f"No request can be made: {hidden(str(error), secrets)}"
        raise node_error("invalid_request", message, retryable=False) from None
    if request.url.scheme not in ("http", "https") or not request.url.host or (request.url.port or 0) > 65535:
        message = f"{hidden(str(request.url), secrets)!r} is no http or https URL"
        raise node_error("invalid_request", message, retryable=False)
    return request


def _encode(body: Json, headers: httpx2.Headers) -> bytes:
    """Encode a body: a string as it is, an object as a form when the header says so, all else as JSON."""
    if isinstance(body, str):
        headers.setdefault("content-type", "text/plain; charset=utf-8")
        return body.encode()
    if isinstance(body, dict) and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return urlencode(body, doseq=True).encode()  # pyright: ignore[reportUnknownArgumentType]
    headers.setdefault("content-type", "application/json")
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def _header_safe(key: str) -> str:
    if len(key) <= 255 and key.isascii() and key.isprintable():
        return key
    return hashlib.sha256(key.encode()).hexdigest()


async def _read(response: httpx2.Response, call: NodeCall) -> bytes:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        message = f"{_target(call)} replied in encoding {encoding!r}, which was not asked for"
        raise node_error("invalid_reply", message, retryable=False)
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > REPLY_LIMIT:
            message = f"{_target(call)} replied with more than {REPLY_LIMIT} bytes"
            raise node_error("invalid_reply", message, retryable=False)
    return bytes(content)


def _check_status(response: httpx2.Response, content: bytes, call: NodeCall, secrets: Collection[str]) -> None:
    status = response.status_code
    if status in (call.data.get("expect") or range(200, 300)):
        return
    location = response.headers.get("location")
    hint = f" to {hidden(location, secrets)}, which is not followed" if location and 300 <= status < 400 else ""
    # The whole of it first: a secret that the excerpt cuts in two would not be known.
    said = hidden(content.decode(errors="replace"), secrets)
    raise node_error(
        "rate_limited" if status == 429 else "http_status",
        f"{_target(call)} replied with status {status}{hint}",
        retryable=status in _TRANSIENT or status >= 500,
        cause=said[:_EXCERPT] or None,
        retry_after=retry_after(response.headers),
    )


def _body(response: httpx2.Response, content: bytes) -> Json:
    if _JSON_TYPE.match(response.headers.get("content-type", "")):
        with contextlib.suppress(ValueError):
            return parse(content)
    try:
        return content.decode(response.charset_encoding or "utf-8", errors="replace")
    except LookupError:
        return content.decode(errors="replace")


def _target(call: NodeCall) -> str:
    """Name the request without what may be secret in it: user, password and query."""
    url = httpx2.URL(str(call.data["url"]))
    return f"{str(call.data.get('method') or 'GET').upper()} {url.scheme}://{url.netloc.decode()}{url.path}"


def _failure(call: NodeCall, error: httpx2.HTTPError, secrets: Collection[str]) -> ApplicationError:
    said = hidden(str(error), secrets)
    cause = f"{type(error).__name__}: {said}"
    if isinstance(error, httpx2.TimeoutException):
        return node_error("timeout", f"{_target(call)} did not answer in time", retryable=True, cause=cause)
    if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol):
        return node_error("invalid_request", f"No request can be made: {said}", retryable=False, cause=cause)
    message = f"{_target(call)} cannot be reached, or broke off"
    return node_error("connection_error", message, retryable=True, cause=cause)
