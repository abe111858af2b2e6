"""Starts a stdio server and stays its parent: when the worker dies, however it dies, the server goes with it.

A server that ignores the end of its input would live on otherwise, and so would one that a launcher started for it.
"""

import ctypes
import os
import signal
import subprocess
import sys

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
    os._exit(server.wait() & 0xFF)


def _end_all(*_: object) -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
