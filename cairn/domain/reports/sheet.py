"""Writing CSV (RFC 4180) that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets take the wide ones, too
_JSON = json.JSONEncoder(ensure_ascii=False)


def lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV in UTF-8, each line ended by CR LF."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode(errors="replace")  # half a surrogate pair, which JSON can hold, is no UTF-8


def cell(value: Any) -> str:
    """Return a value as text; what a spreadsheet would take for a formula gets an apostrophe in front."""
    text = value if type(value) is str else _text(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if value == value // 1 else repr(value)
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else _JSON.encode(value)
