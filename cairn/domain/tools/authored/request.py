"""The request of an author's HTTP tool."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping

import httpx2

from cairn.contracts.json import Json, JsonObject, parse
from cairn.domain.credentials import CredentialHeaders
from cairn.domain.tools.authored.definition import HttpApiConfig, PresetParameter
from cairn.domain.tools.tool import ToolContext, ToolError
from cairn.errors import CairnError, Unavailable
from cairn.graph.templates import TemplateError, compile_text
from cairn.observability.redaction import hidden
from cairn.providers.http import AddressRefused, open_client
from cairn.providers.request_secrets import in_headers, in_request
from cairn.settings import Settings

REPLY_LIMIT = 1024 * 1024
"""Bytes of a reply: a model has to read it."""

_IN_QUERY = ("GET", "DELETE")
_TIMEOUT_MS = 5000


class HttpRequests:
    """Sends the requests of HTTP tools; without ``http_allow_private`` only to public addresses."""

    def __init__(self, settings: Settings, credentials: CredentialHeaders) -> None:
        """Take whether private addresses are allowed, and what resolves credentials."""
        self._allow_private = settings.http_allow_private
        self._credentials = credentials

    async def send(self, config: HttpApiConfig, arguments: JsonObject, context: JsonObject, call: ToolContext) -> Json:
        """Send a request and return ``{status, body}``, without what a server repeats of secrets in the body.

        Redirects are not followed.

        Raises:
            ToolError: the request cannot be made (not retryable), or nobody answers it.
        """
        presets = {each.name: _preset(each, context) for each in config.preset_parameters or []}
        given = {name: value for name, value in arguments.items() if value is not None} | presets
        try:
            secret = await self._credentials.of(call.tenant, call.live, config.credential_uuid)
            return await self._exchange(config, given, secret, call)
        except CairnError as error:
            raise ToolError(error.message, retryable=isinstance(error, Unavailable), code=error.code) from error
        except AddressRefused as error:
            raise ToolError(str(error), retryable=False, code="address_refused") from error
        # What the errors of the library say may have secrets in it, and would stand in history as their cause.
        except httpx2.InvalidURL as error:
            said = hidden(str(error), in_request(config.url, {}))
            raise ToolError(f"The tool's URL is none: {said}", retryable=False, code="invalid_request") from None
        except httpx2.TimeoutException:
            raise ToolError("The server did not answer in time.", code="timeout") from None
        except httpx2.HTTPError:
            raise ToolError("The server cannot be reached, or broke off.", code="connection_error") from None

    async def _exchange(
        self, config: HttpApiConfig, given: JsonObject, secret: Mapping[str, str], call: ToolContext
    ) -> Json:
        in_query = config.method in _IN_QUERY
        timeout = httpx2.Timeout((config.timeout_ms or _TIMEOUT_MS) / 1000)
        async with open_client(allow_private=self._allow_private, timeout=timeout) as client:
            url = httpx2.URL(config.url)
            request = client.build_request(
                config.method,
                url.copy_merge_params({name: _text(value) for name, value in given.items()}) if in_query else url,
                json=None if in_query else given,
                headers={"idempotency-key": call.idempotency_key[:255], **_plain(config), **secret},
            )
            response = await client.send(request, stream=True)
            try:
                content = await _read(response)
            finally:
                await response.aclose()
        return {
            "status": response.status_code,
            "body": _body(content, in_headers(secret) | in_request(config.url, config.headers or {})),
        }


def _plain(config: HttpApiConfig) -> dict[str, str]:
    return {"accept-encoding": "identity", **(config.headers or {})}


async def _read(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > REPLY_LIMIT:
            raise ToolError(f"The reply has more than {REPLY_LIMIT} bytes.", retryable=False, code="invalid_reply")
    return bytes(content)


def _body(content: bytes, secrets: Collection[str]) -> Json:
    if secrets:  # the model, the history and the conversation need not know them
        content = hidden(content.decode(errors="replace"), secrets).encode()
    with contextlib.suppress(ValueError):
        return parse(content)
    return content.decode(errors="replace")


def _preset(parameter: PresetParameter, context: JsonObject) -> Json:
    try:
        text = compile_text(parameter.value_template).render(context)
    except TemplateError as error:
        raise ToolError(f"Parameter {parameter.name}: {error}", retryable=False, code="invalid_arguments") from error
    if not text and parameter.required is not False:
        message = f"Parameter {parameter.name} has no value in this call."
        raise ToolError(message, retryable=False, code="invalid_arguments")
    if parameter.type == "string":
        return text
    try:
        return parse(text) if text else None
    except ValueError as error:
        message = f"Parameter {parameter.name} is no {parameter.type}."
        raise ToolError(message, retryable=False, code="invalid_arguments") from error


def names_read(config: HttpApiConfig) -> frozenset[str]:
    """Return the names that the templates of the preset parameters read; one that does not compile reads none."""
    found: set[str] = set()
    for each in config.preset_parameters or ():
        with contextlib.suppress(TemplateError):
            found |= compile_text(each.value_template).names()
    return frozenset(found)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
