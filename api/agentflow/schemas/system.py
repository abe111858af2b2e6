"""What the system endpoints answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Status(BaseModel):
    """The API answers."""

    name: str
    version: str
    status: Literal["ok"] = "ok"


class Check(BaseModel):
    """Whether one thing works, and how long it took to find out."""

    ok: bool
    latency_ms: float
    detail: str | None = Field(default=None, description="What is wrong.")


class Memory(BaseModel):
    """Memory of this API process."""

    rss_bytes: int
    percent: float = Field(description="Of the machine's memory.")


class HealthChecks(BaseModel):
    """What makes this process healthy."""

    event_loop: Check = Field(description="How long a task waits for its turn.")


class Health(BaseModel):
    """This API process."""

    status: Literal["ok", "degraded"]
    version: str
    uptime_seconds: float
    memory: Memory
    checks: HealthChecks


class ReadinessChecks(BaseModel):
    """What this process needs to serve."""

    database: Check
    temporal: Check
    workers: Check = Field(description="Whether a worker polls the task queue.")


class Readiness(BaseModel):
    """Whether requests can be served."""

    status: Literal["ready", "unavailable"]
    checks: ReadinessChecks
