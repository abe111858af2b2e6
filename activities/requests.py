"""The activities that write down requests to people, tell others of them, and close them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2
import orjson
from standardwebhooks import Webhook
from temporalio import activity
from temporalio.exceptions import ApplicationError

from cairn.contracts.executions import CLOSED
from cairn.contracts.json import JsonObject
from cairn.contracts.operations import Nothing
from cairn.contracts.requests import CLOSE_REQUEST, OPEN_REQUEST, CloseRequest, OpenRequest
from cairn.domain.keys import load_secret
from cairn.domain.requests import workflow_side
from cairn.domain.requests.link import make_token
from cairn.domain.tools.authored import Toolbox
from cairn.observability import get_logger
from cairn.observability.redaction import hidden
from cairn.persistence.session import Database
from cairn.persistence.tables import RequestRow
from cairn.persistence.types import utc_now
from cairn.providers.http import AddressRefused, open_client
from cairn.providers.request_secrets import in_request
from cairn.settings import Settings
from cairn.temporal.executions import ExecutionClient

_TIMEOUT = httpx2.Timeout(10.0)
_PASSING = frozenset({408, 425, 429})
_NOTIFY_TRIES = 100
_CLOSE_TRIES = 10
_MESSAGE_LIMIT = 500
_log = get_logger("cairn.requests")


class RequestActivities:
    """The activities, over the worker's database and client."""

    def __init__(self, settings: Settings, database: Database, executions: ExecutionClient, toolbox: Toolbox) -> None:
        """Take what they work with."""
        self.settings = settings
        self.database = database
        self.executions = executions
        self.toolbox = toolbox

    @activity.defn(name=OPEN_REQUEST.name)
    async def open_request(self, asked: OpenRequest) -> Nothing:
        """Write the request down and tell its URL. One whose run was reset meanwhile is not asked any more.

        Raises:
            ApplicationError: ``notification_failed``, retryable; the request itself can be answered by then.
        """
        if activity.info().workflow_run_id != asked.run_id:
            return Nothing()
        schema = await self._schema(asked)
        async with self.database.transaction() as session:
            row = await workflow_side.open_request(session, asked, schema)
        if row.status != "pending":
            return Nothing()
        now = await self.executions.describe(asked.temporal_id, asked.run_id)
        if now is None or now.phase in CLOSED:
            # Reset or ended since this was scheduled. A landing cancels what it finds; this row may have come later.
            async with self.database.transaction() as session:
                await workflow_side.cancel_request(session, asked.request_id)
        elif row.notify and row.notified_at is None:
            await self._notify(row, row.notify, asked.escalated_to)
        return Nothing()

    async def _schema(self, asked: OpenRequest) -> JsonObject | None:
        """Return the schema of the arguments of the tool that is to be called."""
        if asked.tool is None:
            return None
        tools = await self.toolbox.registry_for(asked.tenant, asked.live, asked.tool)
        return tools.get(asked.tool).parameters if asked.tool in tools else None

    @activity.defn(name=CLOSE_REQUEST.name)
    async def close_request(self, closed: CloseRequest) -> Nothing:
        """Write down how the request ended.

        Raises:
            ApplicationError: ``request_not_written``, retryable: ``open_request`` has not come so far yet.
        """
        async with self.database.transaction() as session:
            known = await workflow_side.close_request(session, closed)
        if not known and activity.info().attempt < _CLOSE_TRIES:
            raise ApplicationError("The request is not written down yet", type="request_not_written")
        return Nothing()

    async def _notify(self, row: RequestRow, url: str, escalated_to: Sequence[str]) -> None:
        """Tell the URL once. What will not pass, or has not for long, is kept in the row and not tried again."""
        passing, failure = False, None
        try:
            passing, failure = await self._post(row, _checked(url), escalated_to)
        except httpx2.HTTPError as error:
            passing, failure = True, f"{type(error).__name__}: {error}"
        except (AddressRefused, httpx2.InvalidURL) as error:
            failure = str(error)
        failure = failure and hidden(failure, in_request(url, {}))[:_MESSAGE_LIMIT]
        async with self.database.transaction() as session:
            await workflow_side.note_notification(session, row.id, None if failure else utc_now(), failure)
        if failure and passing and activity.info().attempt < _NOTIFY_TRIES:
            raise ApplicationError(f"The notification was not taken: {failure}", type="notification_failed")
        if failure:
            _log.warning("notification of a request was refused", request=row.id, reason=failure)

    async def _post(self, row: RequestRow, url: httpx2.URL, escalated_to: Sequence[str]) -> tuple[bool, str | None]:
        """Return why the other side did not take it, if so, and whether that may pass."""
        content = orjson.dumps({**self._message(row), "escalated_to": list(escalated_to)})
        headers = {"content-type": "application/json", **self._signed(row, content)}
        async with (
            open_client(allow_private=self.settings.http_allow_private, timeout=_TIMEOUT) as client,
            client.stream("POST", url, content=content, headers=headers) as reply,
        ):
            status = reply.status_code
        return status in _PASSING or status >= 500, None if 200 <= status < 300 else f"it answered {status}"

    def _message(self, row: RequestRow) -> JsonObject:
        token = make_token(load_secret(self.settings), row)
        shown = ("id", "kind", "prompt", "execution_id", "tool_name", "arguments", "assignees", "escalated")
        return {
            **{name: getattr(row, name) for name in shown},
            "schema": row.schema_,
            "respond_url": f"{self.settings.links}/api/v1/hooks/requests/{token}",
            "requested_at": _time(row.requested_at),
            "expires_at": row.expires_at and _time(row.expires_at),
        }

    def _signed(self, row: RequestRow, content: bytes) -> dict[str, str]:
        """Return the headers of Standard Webhooks; the id is the same at every try of one notification."""
        message_id = f"{row.id}-escalated" if row.escalated else row.id
        now = datetime.now(UTC)
        headers = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp()))}
        secret = self.settings.webhook_secret
        if secret is not None:
            signer: Any = Webhook(secret.get_secret_value())
            headers["webhook-signature"] = signer.sign(message_id, now, content.decode())
        return headers


def _checked(url: str) -> httpx2.URL:
    """Return the URL.

    Raises:
        InvalidURL: it is no http or https URL.
    """
    checked = httpx2.URL(url)
    if checked.scheme not in ("http", "https") or not checked.host or (checked.port or 0) > 65535:
        raise httpx2.InvalidURL(f"{url!r} is no http or https URL")
    return checked


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
