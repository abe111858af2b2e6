"""Refusals that several routes share."""

from __future__ import annotations

from typing import Any

NOT_STARTED: dict[int | str, dict[str, Any]] = {409: {"description": "It has not been started in Temporal yet."}}
