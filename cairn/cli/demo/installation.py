"""A whole Cairn for a while: ``cairn serve`` with data and ports of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from cairn.errors import Unavailable
from cairn.orderly import PARENT_VARIABLE
from cairn.ports import find_free

_PORTS = ("CAIRN_API_PORT", "CAIRN_TEMPORAL_PORT", "CAIRN_TEMPORAL_UI_PORT")
_KEPT = (*_PORTS, "CAIRN_DEFAULT_MODEL", "CAIRN_OPENAI_", "CAIRN_ANTHROPIC_", "CAIRN_GOOGLE_", "TEMPORAL_CLI")
_READY_WITHIN = 120.0
_STOPPED_WITHIN = 60.0
_LOG_LINES = 15


class Installation:
    """Runs ``cairn serve`` in a process of its own, which ends with this one, however this one ends.

    Attributes:
        home: folder of its data.
        log: file that it logs to.
        url: of its API.
        environment: variables with which other commands reach it.
    """

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        """Choose the ports: those that are set, else free ones. Other settings of the environment do not count.

        Args:
            home: folder of its data.
            settings: environment variables beside those.
        """
        self.home = home
        self.log = home / "serve.log"
        kept = {name: value for name, value in os.environ.items() if _counts(name)}
        ports = {name: kept.get(name) or str(find_free()) for name in _PORTS}
        own = {"CAIRN_HOME": str(home), "TEMPORAL_CONFIG_FILE": os.devnull}
        self.environment = {**kept, **ports, **own, **(settings or {})}
        self.url = f"http://127.0.0.1:{self.environment['CAIRN_API_PORT']}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def key(self) -> str:
        """Its first API key."""
        return (self.home / "dev-key").read_text().strip()

    def start(self) -> None:
        """Start it and wait until it can serve.

        Raises:
            Unavailable: it cannot; the message ends with the last lines of its log.
        """
        from cairn.supervisor import command_of_cairn

        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command_of_cairn("serve"),
                env={**self.environment, PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends the other one in order
            )
        self._wait(self._process)

    def stop(self) -> None:
        """End it, with all of its processes."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        import httpx2

        deadline = time.monotonic() + _READY_WITHIN
        # One client for all the time: to make one reads all certificates, which takes from what starts.
        with httpx2.Client(base_url=self.url, trust_env=False, timeout=10) as http:
            while process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(httpx2.HTTPError):
                    if http.get("/ready").is_success:
                        return
                time.sleep(0.1)
        raise Unavailable(f"Cairn did not start. Its log ends so:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _counts(name: str) -> bool:
    """Whether a variable of the environment holds for this installation."""
    return name.startswith(_KEPT) if name.startswith(("CAIRN_", "TEMPORAL_")) else True
