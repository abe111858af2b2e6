"""Wall clocks that can be stepped, one a program: see ``clock.c``."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from multiprocessing import forkserver
from pathlib import Path

VARIABLE = "CHAOS_CLOCK"
_SOURCE = Path(__file__).with_name("clock.c")
_loaded = False


def compiled(folder: Path) -> Path | None:
    """Compile the library into a folder; None when there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "clock.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)], check=True)
    return library


def load(folder: Path) -> bool:
    """Let the programs that are started from now on have such clocks; return whether there is a compiler for it.

    To be called before the first of them is started: they are forked from a server that has to be loaded with it.
    """
    global _loaded
    library = compiled(folder)
    if library is None:
        return False
    os.environ["LD_PRELOAD"] = str(library)
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["LD_PRELOAD"]
    _loaded = True
    return True


class Clock:
    """The clock of one program."""

    def __init__(self, file: Path) -> None:
        """Keep what it is off by in a file; it is right at first."""
        self.file = file
        self.step(0.0)

    @property
    def environment(self) -> dict[str, str]:
        """What the program has to be told of it."""
        return {VARIABLE: str(self.file)}

    @property
    def works(self) -> bool:
        """Whether programs heed it."""
        return _loaded

    def step(self, seconds: float) -> None:
        """Set it ahead of the true time by so much, at once."""
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("l", round(seconds * 1000)))
