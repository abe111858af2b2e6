"""Hooks of schemathesis, which runs in a process of its own."""

from __future__ import annotations

import contextlib
import uuid
from datetime import UTC, datetime, timedelta

import openapi_chains  # noqa: F401 - hooks of chains
import schemathesis
from pydantic import ValidationError

from api.omium.schemas.schedules import Backfill, Spec
from api.voice.schemas.second_names import SECOND_NAMES
from cairn.domain.schedules.spec import time_zones, wrong_values
from cairn.graph.templates import MAX_SOURCE, TemplateError, compile_text

KEY = "Idempotency-Key"
schemathesis.serializer.alias("audio/mpeg", "application/octet-stream")


@schemathesis.hook
def filter_case(context, case) -> bool:
    """Leave out the requests whose one fault is a header that nobody documents: HTTP has servers ignore those."""
    return "x-schemathesis-unknown-property" not in (case.headers or {})


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    """Give each request a key of its own: the same one with another body is rightly refused."""
    given = (case.headers or {}).get(KEY)
    if isinstance(given, str) and 0 < len(given) <= 255 and given.isascii() and given.isprintable():
        case.headers[KEY] = uuid.uuid4().hex


@schemathesis.hook("before_call")
def nobody_is_asked(context, case, kwargs) -> None:
    """Have keys tried, and kept for, a port of this machine that nobody listens on: the suite calls nothing outside."""
    asks = case.path in ("/api/v1/llm/config", "/api/v1/llm/config/test-key")
    if asks and isinstance(case.body, dict) and case.body.get("base_url") is None:
        case.body["base_url"] = "http://127.0.0.1:9"


@schemathesis.hook("filter_case")
def with_the_installations_keys(context, case) -> bool:
    """Leave out the mode in which calls fail when nobody is asked."""
    return not (
        case.path == "/api/v1/llm/config/mode" and isinstance(case.body, dict) and case.body.get("mode") == "byok"
    )


@schemathesis.hook("filter_case")
def names_that_agree(context, case) -> bool:
    """Leave out bodies whose two names of one member differ: JSON Schema cannot say that two members are equal."""
    body = case.body
    pairs = SECOND_NAMES.items() if isinstance(body, dict) else ()
    return all(body[first] == body[second] for second, first in pairs if first in body and second in body)


@schemathesis.hook("filter_case")
def templates_that_are_templates(context, case) -> bool:
    """Leave out texts that are no templates: JSON Schema cannot say what one is."""
    body = case.body
    if "/prompt-blocks" not in case.path or not isinstance(body, dict) or not isinstance(body.get("body"), str):
        return True
    try:
        compile_text(body["body"])
    except TemplateError:
        return len(body["body"]) > MAX_SOURCE
    return True


@schemathesis.hook("filter_case")
def times_that_are_times(context, case) -> bool:
    """Leave out times that have the right form and are none: JSON Schema cannot say which calendars there are."""
    body = case.body
    if not case.path.startswith("/api/v1/schedules") or not isinstance(body, dict):
        return True
    with contextlib.suppress(ValidationError):
        if case.path.endswith("/backfill"):
            period = Backfill.model_validate(body)
            return period.start <= period.end < datetime.now(UTC)
        if "spec" in body:
            return not wrong_values(Spec.model_validate(body["spec"]).contract())
    return True


@schemathesis.hook("before_call")
def short_periods(context, case, kwargs) -> None:
    """Have schedules fire again for a minute at most: a year of seconds would keep Temporal busy to the suite's end."""
    if not case.path.startswith("/api/v1/schedules") or not case.path.endswith("/backfill"):
        return
    with contextlib.suppress(ValidationError):
        period = Backfill.model_validate(case.body)
        start = max(period.start, period.end - timedelta(minutes=1))
        case.body["start"] = start.isoformat()


@schemathesis.hook("before_call")
def budgets_that_last(context, case, kwargs) -> None:
    """Give the tenant, and its users, no budget that the suite uses up: everything after would be 429."""
    limit = case.body.get("monthly_limit") if isinstance(case.body, dict) else None
    if case.path.startswith("/api/v1/admin/budget") and type(limit) in (int, float) and 0 <= limit < 1000:
        case.body["monthly_limit"] = 1000


@schemathesis.hook("filter_case")
def zones_that_exist(context, case) -> bool:
    """Leave out time zones that there are none of: JSON Schema would have to name them all."""
    body = case.body
    locale = body.get("locale") if case.path == "/api/v1/settings" and isinstance(body, dict) else None
    zone = locale.get("timezone") if isinstance(locale, dict) else None
    return not isinstance(zone, str) or zone in time_zones()
