"""The end of a process. One that used Temporal's SDK ends here, not in the interpreter's own teardown.

The SDK's native threads may still run while the interpreter takes itself apart, and then the process dies of a signal
although all its work is done. So: exit handlers, flush, and out.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

PARENT_VARIABLE = "CAIRN_SUPERVISOR_PID"
"""Environment variable by which a supervisor tells its children that they are not to outlive it."""

_PR_SET_PDEATHSIG = 1


def exit_process(status: int) -> NoReturn:
    """End this process with a status: run the exit handlers, flush the standard streams, skip the teardown."""
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage] - the only way to run them before os._exit
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def run(main: Callable[[], object]) -> NoReturn:
    """Run a program and end the process with its status.

    Args:
        main: returns the exit status (None is 0) or raises SystemExit; any other exception is printed and status 1.
    """
    try:
        result = main()
    except SystemExit as stop:
        result = stop.code
    except KeyboardInterrupt:
        result = 128 + signal.SIGINT
    except BaseException as error:
        result = 0 if isinstance(error, BrokenPipeError) and _reader_is_gone() else 1
        if result:
            traceback.print_exc()
    if isinstance(result, str):
        sys.stderr.write(result + "\n")
    exit_process(result if isinstance(result, int) else int(result is not None))


def _reader_is_gone() -> bool:
    """Say whether nobody reads our output any more (`cairn … | head`), which is no failure of ours."""
    output = select.poll()
    output.register(1, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in output.poll(0))


def exit_on_sigterm() -> None:
    """Let SIGTERM end this process in order, with status 0: before a server has its own handler, and after."""

    def leave(_number: int, _frame: object) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)


def die_with_parent() -> None:
    """Ask the kernel to end this process (SIGTERM) when the supervisor that started it dies, however it dies.

    Does nothing in a process that no supervisor started, and on systems other than Linux. It holds over an exec.
    """
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is not None:
        die_with(int(parent), signal.SIGTERM)


def die_with(parent: int, number: int) -> None:
    """Ask the kernel to send this process a signal when its parent, of this id, dies; Linux alone does.

    It holds over an exec, and not over a change of the user.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(128 + number)
