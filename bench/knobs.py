"""What can be set otherwise in Cairn's API and worker: each knob is turned in the process itself, before it begins.

Settings of the product are not needed for it: a knob changes what the programs hand to Temporal's SDK, to SQLAlchemy,
or to the interpreter.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

import orjson
import uvicorn
import uvloop
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import BinaryNullPayloadConverter, CompositePayloadConverter, EncodingPayloadConverter
from temporalio.worker import PollerBehaviorAutoscaling, WorkerTuner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import worker
from cairn.errors import InvalidInput
from cairn.persistence import session
from cairn.temporal import connection

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]

_adapter: Callable[[Any], TypeAdapter[Any]] = lru_cache(maxsize=None)(TypeAdapter)


class _Json(EncodingPayloadConverter):
    """Models as JSON, by an encoder and a decoder that know nothing of models."""

    encoding = "json/plain"

    def __init__(self, encode: Encode, decode: Decode) -> None:
        self._encode = encode
        self._decode = decode

    def to_payload(self, value: Any) -> Payload | None:
        return Payload(metadata={"encoding": self.encoding.encode()}, data=self._encode(value))

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        value = self._decode(payload.data)
        return value if type_hint is None else _adapter(type_hint).validate_python(value)


def _converter(encode: Encode, decode: Decode) -> None:
    known = (BinaryNullPayloadConverter(), _Json(encode, decode))

    class Converter(CompositePayloadConverter):
        def __init__(self) -> None:
            super().__init__(*known)

    connection.PayloadConverter = Converter


def _by_standard_library() -> None:
    _converter(lambda value: json.dumps(value, default=to_jsonable_python).encode(), json.loads)


def _by_orjson() -> None:
    _converter(lambda value: orjson.dumps(value, default=to_jsonable_python), orjson.loads)


def _by_the_sdk() -> None:
    connection.PayloadConverter = PydanticPayloadConverter


def _worker(options: Callable[[], Mapping[str, Any]]) -> None:
    make = worker.Worker
    worker.Worker = lambda client, **own: make(client, **{**own, **options()})


def _engine(**options: Any) -> None:
    make = session.create_async_engine
    session.create_async_engine = lambda url, **own: make(url, **{**own, **options})


def _orjson(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        raise InvalidInput("A value cannot be stored.") from None


def _asyncio() -> None:
    uvloop.run = asyncio.run
    make = uvicorn.Config
    uvicorn.Config = partial(make, loop="asyncio")


def _rarely() -> None:
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


_PURE = ("cairn", "workflows", "pydantic", "pydantic_core")

KNOBS: Mapping[str, Callable[[], object]] = {
    "one poller of each kind": lambda: _worker(
        # Two is the least that the SDK takes for executions: one of them is of the sticky queue.
        lambda: {"max_concurrent_workflow_task_polls": 2, "max_concurrent_activity_task_polls": 1}
    ),
    "20 pollers of each kind": lambda: _worker(
        lambda: {"max_concurrent_workflow_task_polls": 20, "max_concurrent_activity_task_polls": 20}
    ),
    "pollers by autoscaling": lambda: _worker(
        lambda: {
            "workflow_task_poller_behavior": PollerBehaviorAutoscaling(),
            "activity_task_poller_behavior": PollerBehaviorAutoscaling(),
        }
    ),
    "10 executions in the sticky cache": lambda: _worker(lambda: {"max_cached_workflows": 10}),
    "eager activities off": lambda: _worker(lambda: {"disable_eager_activity_execution": True}),
    "2 threads for workflow code": lambda: _worker(lambda: {"workflow_task_executor": ThreadPoolExecutor(2)}),
    # Without: an extension in C++ that the expressions of graphs stand on can be imported only once in a process.
    "SDK's sandbox, pure modules passed through": lambda: _worker(
        lambda: {
            "workflow_runner": SandboxedWorkflowRunner(
                restrictions=SandboxRestrictions.default.with_passthrough_modules(*_PURE)
            )
        }
    ),
    "payloads by the SDK's own converter": _by_the_sdk,
    "payloads by the standard library's JSON": _by_standard_library,
    "payloads by orjson": _by_orjson,
    "database's JSON by orjson": lambda: _engine(json_serializer=_orjson, json_deserializer=orjson.loads),
    "connections in turn, not the last used": lambda: _engine(pool_use_lifo=False),
    "one connection": lambda: _engine(pool_size=1),
    "asyncio's event loop": _asyncio,
    "threads switch after 0.5 ms": lambda: sys.setswitchinterval(0.0005),
    "garbage collected rarely": _rarely,
    # The last, for it takes long: while the processor is busy it hands out next to nothing.
    "slots by the resource-based tuner": lambda: _worker(
        lambda: {
            "tuner": WorkerTuner.create_resource_based(target_memory_usage=0.8, target_cpu_usage=0.9),
            "max_concurrent_workflow_tasks": None,
            "max_concurrent_activities": None,
        }
    ),
}
"""What turns each of them; called in the process of an API or a worker before that begins."""


def turn(name: str) -> None:
    """Turn a knob in this process."""
    KNOBS[name]()
