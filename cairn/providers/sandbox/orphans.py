"""A process that ends a killed worker's sandboxes: it sees to it that nobody's code computes on.

The library that starts the sandboxes of ``monty`` starts them from threads of its own, so that the kernel's "die with
your parent", which means a thread, is of no use. This process is started once by each worker that runs such code, as a
script, and loads nothing of Cairn. It waits for the end of its input, which comes when the worker is gone, however it
went.

Arguments: the worker's process id, its process group, the program of the sandboxes.
"""

import os
import signal
import sys
import time


def main() -> None:
    """Wait for the worker's end, then kill what it left behind."""
    worker, group, program = int(sys.argv[1]), int(sys.argv[2]), os.path.realpath(sys.argv[3])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.read(0, 1)
    while os.getppid() == worker:  # all its children get their new parent at one time
        time.sleep(0.01)
    for _ in range(2):  # one that was just being started shows its program a moment later
        for pid in _processes():
            if _is_left_behind(pid, group, program):
                _kill(pid)
        time.sleep(0.5)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _is_left_behind(pid: int, group: int, program: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # After the name, which may hold anything: state, parent, group.
            _, parent, its_group = stat.read().rpartition(b")")[2].split()[:3]
        return (int(parent), int(its_group), os.readlink(f"/proc/{pid}/exe")) == (os.getppid(), group, program)
    except OSError:  # it has ended, or is somebody else's
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return


if __name__ == "__main__":
    main()
