"""Processes that the benchmark starts: none outlives its time, nor do those that it has started itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).parent.parent.parent
LEAST = 2.0
"""Seconds that are worth starting a process for."""


class Children:
    """The processes that are running; `end` ends them all, and no other is started afterwards."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        # A signal may come, and end them, while the same thread holds it.
        self._lock = threading.RLock()
        self._ended = False

    def run(
        self,
        module: str,
        arguments: Sequence[str],
        until: float,
        told: Callable[[str], None] = lambda line: None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int | None, str]:
        """Run `python -m module arguments` until a time at most; `told` gets every line of its output as it comes.

        Returns its status, None where it did not end in time, and the last line that it has written to stderr.
        """
        if until - time.time() < LEAST:
            return None, "no time was left"
        with TemporaryFile("w+", errors="replace") as errors:
            child = self._started([sys.executable, "-m", module, *arguments], errors, environment)
            if child is None:
                return None, "it was interrupted"
            reader = threading.Thread(target=_read, args=(child, told))
            reader.start()
            try:
                status: int | None = child.wait(until - time.time())
            except subprocess.TimeoutExpired:
                status = None
            finally:
                # What it has started itself may still be there, and have its output open.
                _end(child)
                child.wait()
                reader.join()
                with self._lock:
                    self._running.discard(child)
            errors.seek(0)
            last = (errors.read().strip().splitlines() or [""])[-1][:200]
        return (status, last) if status is not None else (None, "it was not done in time")

    def end(self) -> None:
        """End all that are running."""
        with self._lock:
            self._ended = True
            running = list(self._running)
        for child in running:
            _end(child)

    def _started(
        self, command: Sequence[str], errors: object, environment: Mapping[str, str] | None
    ) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._ended:
                return None
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,  # type: ignore[arg-type]
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(child)
            return child


def _read(child: subprocess.Popen[str], told: Callable[[str], None]) -> None:
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            told(line.rstrip("\n"))


def _end(child: subprocess.Popen[str]) -> None:
    """End a process with all that it has started, which are in a session of their own."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:  # none of them is left
        return
