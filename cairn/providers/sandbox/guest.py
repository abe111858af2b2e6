"""The first code in a sandbox that has CPython: it calls ``run`` and tells how that ended.

It is run inside, as source, and so imports nothing of Cairn.
"""

import io
import json
import sys
import traceback
from typing import Any


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


class _Kept(io.TextIOBase):
    def __init__(self, limit: int) -> None:
        self.left = limit
        self.parts: list[str] = []

    def write(self, text: str) -> int:
        self.parts.append(text[: self.left])
        self.left -= len(self.parts[-1])
        return len(text)


Reply = dict[str, "str | None"]


def answer(code: str, given_json: str, stdout_limit: int) -> Reply:
    """Run a program; return ``{"result": json}`` or ``{"failure", "message", "trace"}``, with ``stdout``."""
    kept = _Kept(stdout_limit)
    sys.stdout, sys.stderr = kept, _Nowhere()
    reply = _run(code, json.loads(given_json))
    return {**reply, "stdout": "".join(kept.parts)}


def _run(code: str, given: Any) -> Reply:
    try:
        scope: dict[str, Any] = {"__name__": "code"}
        exec(compile(code, "code", "exec", dont_inherit=True), scope)
        value = scope["run"](*given["first"], **given["arguments"])
    except MemoryError as error:
        return _over_memory(error)
    except BaseException as error:
        return _failure("code_error", _told(error), _trace(error, code))
    try:
        return {"result": json.dumps(value, allow_nan=False)}
    except MemoryError as error:
        return _over_memory(error)
    except BaseException as error:
        return _failure("invalid_result", f"What run returned is no JSON: {_told(error)}", None)


def _over_memory(error: MemoryError) -> Reply:
    # What the code holds is let go, or there is no memory to tell of it.
    traceback.clear_frames(error.__traceback__)
    return _failure("memory_limit", "The code used more memory than it may", None)


def _failure(code: str, message: str, trace: "str | None") -> Reply:
    return {"failure": code, "message": message, "trace": trace}


def _told(error: BaseException) -> str:
    try:
        text = str(error)[:2000]
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _trace(error: BaseException, code: str) -> str:
    lines = code.splitlines()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "code"][-10:]
    return "\n".join(f"line {f.lineno}, in {f.name}: {lines[(f.lineno or 1) - 1].strip()}"[:200] for f in frames)
