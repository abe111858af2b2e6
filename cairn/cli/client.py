"""The HTTP API as the command line calls it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from cairn.cli.setup import DEV_KEY_FILE
from cairn.errors import CairnError, FieldError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    import httpx2

    from cairn.contracts.json import Json, JsonObject
    from cairn.settings import Settings

REPLY_TIMEOUT = 45.0
"""Seconds: a reset answers within 30."""

_QUIET = 60.0
"""Seconds that a stream may be silent; the API sends a comment every 15."""
_PATIENCE = 60.0
"""Seconds that a broken stream may take to come back."""
_BUSY = 15.0
"""Seconds that a command is sent again for."""
_PAUSE = 0.5
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ApiClient:
    """Calls one API with one key. Errors come as :class:`CairnError`, with what the API says."""

    def __init__(self, url: str, key: str) -> None:
        """Take the API's base URL and a key."""
        import httpx2

        self.url = url.rstrip("/")
        try:
            # A proxy is for other machines.
            self._http = httpx2.Client(
                base_url=self.url,
                headers={"X-API-Key": key},
                timeout=REPLY_TIMEOUT,
                trust_env=urlsplit(self.url).hostname not in _LOOPBACK,
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise Unavailable(f"CAIRN_API_URL is no URL: {url!r}", code="api_unreachable") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: Json) -> Any:
        """Return the body of a reply; a query value that is None is left out, a list is repeated."""
        return self._call("GET", path, query={name: value for name, value in query.items() if value is not None})

    def text(self, path: str, **query: str | None) -> str:
        """Return the body of a reply that is no JSON; a query value that is None is left out."""
        return self._reply("GET", path, query={name: value for name, value in query.items() if value is not None}).text

    def send(self, method: str, path: str, body: JsonObject) -> Any:
        """Send a JSON body and return that of the reply."""
        return self._call(method, path, body=body)

    def command(self, path: str, body: JsonObject) -> Any:
        """Send what is to be done once, again while the API says that it will soon be able to; return the reply's body.

        An execution that goes on in a new run takes no command for a moment, as one whose worker is being replaced.
        """
        headers, end = {"Idempotency-Key": uuid.uuid4().hex}, time.monotonic() + _BUSY
        while True:
            try:
                return self._call("POST", path, body=body, headers=headers)
            except CairnError as error:
                pause = error.retry_after
                if pause is None or time.monotonic() + pause > end:
                    raise
            time.sleep(pause)

    def events(self, execution_id: str) -> Iterator[JsonObject]:
        """Yield the execution's events, those of the past first, until it has ended; takes up a stream that breaks.

        Raises:
            CairnError: the API refuses, or does not come back in time.
        """
        import httpx2

        path = execution_path(execution_id, "events")
        last: str | None = None
        down_since: float | None = None
        while True:
            try:
                with self._stream(path, last) as events:
                    down_since = None
                    for event in events:
                        last, told = event.id or last, json.loads(event.data)
                        yield told
                        if is_terminal(told):
                            return
            except (httpx2.TransportError, CairnError) as error:
                now = time.monotonic()
                down_since = down_since or now
                if not _passes(error) or now - down_since > _PATIENCE:
                    raise self._unreachable(error) if isinstance(error, httpx2.TransportError) else error from None
            time.sleep(_PAUSE)

    @contextmanager
    def _stream(self, path: str, last: str | None) -> Generator[Iterable[httpx2.ServerSentEvent]]:
        import httpx2

        headers = {"Last-Event-ID": last} if last else {}
        timeout = httpx2.Timeout(REPLY_TIMEOUT, read=_QUIET)
        with self._http.stream("GET", path, headers=headers, timeout=timeout) as reply:
            if not reply.is_success:
                reply.read()
                raise error_of(reply)
            yield httpx2.EventSource(reply)

    def _call(self, method: str, path: str, **sent: Any) -> Any:
        reply = self._reply(method, path, **sent)
        return reply.json() if reply.content else None  # a 204 has no body

    def _reply(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        import httpx2

        try:
            reply = self._http.request(method, path, params=query, json=body, headers=headers)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        if not reply.is_success:
            raise error_of(reply)
        return reply

    def _unreachable(self, error: httpx2.TransportError) -> Unavailable:
        import httpx2

        if isinstance(error, httpx2.ReadTimeout):
            return Unavailable(f"The API at {self.url} does not answer. See its log.", code="api_timeout")
        return Unavailable(
            f"The API at {self.url} cannot be reached ({error}). "
            "Start it with `cairn serve`, or set CAIRN_API_URL to where it runs.",
            code="api_unreachable",
        )


@contextmanager
def open_client() -> Generator[ApiClient]:
    """Give a client of the API that the settings name.

    Raises:
        Unauthenticated: there is no key.
    """
    from cairn.settings import get_settings

    settings = get_settings()
    client = ApiClient(settings.api_url or f"http://127.0.0.1:{settings.api_port}", find_key(settings))
    try:
        yield client
    finally:
        client.close()


def find_key(settings: Settings) -> str:
    """Return the key of the settings, else the development key.

    Raises:
        Unauthenticated: there is none.
    """
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    file = settings.home / DEV_KEY_FILE
    try:
        return file.read_text().strip()
    except OSError:
        raise Unauthenticated(
            f"No API key: CAIRN_API_KEY is not set, and there is no {file}. `cairn serve` makes one there."
        ) from None


def execution_path(execution_id: str, *more: str) -> str:
    """Return the path of an execution, or of something of it."""
    return "/".join(["/api/v1/executions", *(quote(part, safe="") for part in (execution_id, *more))])


def is_terminal(event: JsonObject) -> bool:
    """Whether the execution has ended with this event."""
    return event["type"] == "status" and event["data"]["status"] in ("completed", "failed", "cancelled")


def _passes(error: Exception) -> bool:
    """Whether an error of a stream will pass: not in Temporal yet, or the API is being restarted."""
    return not isinstance(error, CairnError) or error.code in ("not_started", "unavailable") or "http_5" in error.code


def error_of(reply: httpx2.Response) -> CairnError:
    """Return the error that a reply tells, in whichever surface's shape."""
    try:
        body = reply.json()
    except ValueError:
        body = None
    said: JsonObject = cast("JsonObject", body) if isinstance(body, dict) else {}
    detail: Any = said.get("detail")
    listed: Any = said.get("errors") or detail
    if isinstance(detail, dict):  # what is wrong with a graph
        detail, listed = "The graph is not valid.", cast("JsonObject", detail).get("errors", [])
    message = detail if isinstance(detail, str) else f"The API answered {reply.status_code} {reply.reason_phrase}."
    wrong = cast("list[JsonObject]", listed if isinstance(listed, list) else [])
    fields = [_field_error(each) for each in wrong]
    code, later = str(said.get("code") or f"http_{reply.status_code}"), reply.headers.get("Retry-After", "")
    return CairnError(message, code=code, errors=fields, retry_after=float(later) if later.isdecimal() else None)


def _field_error(said: JsonObject) -> FieldError:
    if "loc" in said:
        return FieldError("/" + "/".join(str(part) for part in said["loc"][1:]), str(said.get("msg")))
    if "kind" in said:
        return FieldError(
            "/".join(str(said[name]) for name in ("kind", "id", "field") if said.get(name)), said["message"]
        )
    return FieldError(str(said.get("pointer", "")), str(said.get("message")))
