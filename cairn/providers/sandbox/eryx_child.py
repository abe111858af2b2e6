"""The process in which eryx runs one program: reads it from standard input, writes the reply to standard output.

It is started as a script, so that it loads nothing of Cairn. Its argument is the process id of the worker.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_MEMORY = 256 * 1024 * 1024
_RUNTIME = 768 * 1024 * 1024
"""Bytes that the runtime itself may need, its copies of outputs included."""
_STDOUT = 64 * 1024
_MONTH_MS = 30 * 86400 * 1000


def main() -> None:
    """Run the program; without a reply it has crashed."""
    request = json.loads(sys.stdin.buffer.read())
    guest = Path(__file__).with_name("guest.py").read_text()
    reply = _seal()
    eryx: Any = importlib.import_module("eryx")
    # Time is kept by who started this process.
    limits = eryx.ResourceLimits(execution_timeout_ms=_MONTH_MS, max_memory_bytes=_MEMORY, max_callback_invocations=0)
    sandbox = eryx.Sandbox(resource_limits=limits, result_variable="_reply")
    source = f"{guest}\n_reply = answer({request['code']!r}, {request['given']!r}, {_STDOUT})\n"
    with contextlib.suppress(eryx.EryxError), os.fdopen(reply, "w") as stream:
        done = sandbox.execute(source)
        # The first line is this process's own, the rest is the guest's.
        stream.write(f"{done.peak_memory_bytes or ''}\n{done.result_json or ''}")
    os._exit(0)


def _seal() -> int:
    """Give up what the guest could reach of this process; return the descriptor for the reply."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(sys.argv[1]):  # the worker died before the line above
            os._exit(1)
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY + _RUNTIME, _MEMORY + _RUNTIME))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    reply = os.dup(1)
    # What the guest writes past its own sys.stdout goes to the descriptors 1 and 2 of its host.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    return reply


if __name__ == "__main__":
    main()
