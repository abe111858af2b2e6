"""Checks when a schedule is to fire, before Temporal is asked."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from functools import cache

from cairn.contracts.schedules import Calendar, Spec
from cairn.errors import FieldError

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
_NAMED = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")

YEARS = (2000, 2100)
"""The years that Temporal's calendars know."""

_BOUNDS = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day of month": (1, 31),
    "month": (1, 12),
    "day of week": (0, 7),
    "year": YEARS,
}
_FIVE = ("minute", "hour", "day of month", "month", "day of week")
_FIELDS = {5: _FIVE, 6: (*_FIVE, "year"), 7: ("second", *_FIVE, "year")}


def wrong_values(spec: Spec) -> list[FieldError]:
    """Return what is wrong with a spec, by pointers into the body that holds it."""
    found = [FieldError(f"/spec/cron/{n}", why) for n, each in enumerate(spec.cron or []) if (why := _cron(each))]
    for number, calendar in enumerate(spec.calendar or []):
        found += [FieldError(f"/spec/calendar/{number}/{name}", why) for name, why in _calendar(calendar)]
    if spec.interval is not None and spec.interval.offset_seconds >= spec.interval.every_seconds:
        found.append(FieldError("/spec/interval/offset_seconds", "has to be less than every_seconds"))
    if spec.time_zone not in time_zones():
        found.append(FieldError("/spec/time_zone", f"{spec.time_zone!r} is no IANA time zone, as Europe/Berlin is"))
    if spec.start_at and spec.end_at and spec.end_at <= spec.start_at:
        found.append(FieldError("/spec/end_at", "has to be after start_at"))
    return found


@cache
def time_zones() -> frozenset[str]:
    """Return the names of all time zones (IANA)."""
    return frozenset(zoneinfo.available_timezones())


def _calendar(calendar: Calendar) -> Iterator[tuple[str, str]]:
    for part, (low, high) in _BOUNDS.items():
        name = part.replace(" ", "_")
        highest = 6 if name == "day_of_week" else high  # only cron knows Sunday as 7
        for number, each in enumerate(getattr(calendar, name)):
            if not low <= each.start <= highest:
                yield f"{name}/{number}/start", f"is not in {low} to {highest}"
            if each.end is not None and not each.start <= each.end <= highest:
                yield f"{name}/{number}/end", f"is not in start to {highest}"


def _cron(expression: str) -> str | None:
    """Return what is wrong with a cron expression, None when nothing is."""
    if expression in _NAMED:
        return None
    parts = expression.split()
    fields = _FIELDS.get(len(parts))
    if fields is None:
        return "has to have 5 fields (minute, hour, day of month, month, day of week), 6 with a year, 7 with seconds"
    for name, part in zip(fields, parts, strict=True):
        for piece in part.split(","):
            if why := _piece(piece, name, *_BOUNDS[name]):
                return why
    return None


def _piece(piece: str, name: str, low: int, high: int) -> str | None:
    values, slash, step = piece.partition("/")
    if slash and not (step.isascii() and step.isdecimal() and int(step[:9]) > 0 and len(step) < 9):
        return f"{piece!r} has no valid step for the {name}"
    if values == "*":
        return None
    first, dash, last = values.partition("-")
    start = _value(first, name, low, high)
    end = _value(last, name, low, high) if dash else start
    if start is None or end is None:
        return f"{piece!r} is no {name} ({low} to {high})"
    return f"{piece!r} ends before it starts" if end < start else None


def _value(text: str, name: str, low: int, high: int) -> int | None:
    names = {"month": _MONTHS, "day of week": _DAYS}.get(name, [])
    if text.isascii() and text.isalpha() and len(text) >= 3:
        found = [number for number, each in enumerate(names) if each.startswith(text.lower())]
        return found[0] + (name == "month") if found else None
    if not (text.isascii() and text.isdecimal() and len(text) < 5):
        return None
    return int(text) if low <= int(text) <= high else None
