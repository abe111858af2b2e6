"""Starts a stdio server and stays its parent: when the server or the worker ends, all that the server started ends.

A server that ignores the end of its input would outlive a killed worker otherwise, and so would its own children.
"""

import ctypes
import os
import signal
import subprocess
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_NOT_FOUND = 127


def main() -> None:
    """Run the command in this process's own group, until it ends or the worker does."""
    signal.signal(signal.SIGTERM, _end_all)
    if sys.platform.startswith("linux"):
        worker = int(sys.argv[1])
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != worker:
            _end_all()
    try:
        server = subprocess.Popen(sys.argv[2:])
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        os._exit(_NOT_FOUND)
    server.wait()
    _end_all()


def _end_all(*_: object) -> NoReturn:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
