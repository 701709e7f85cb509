"""A program that must never outlive us: it runs in a session of its own, under `guard.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
GUARD_TIMEOUT = timedelta(seconds=5)
"""How long the guard may take to notice that its program is dead."""
POLL_INTERVAL = 0.02
"""Seconds."""
UNKNOWN_CODE = 255
"""Exit code where someone else has waited for the process."""


class Child:
    """One program with its output in a log file; `start` may be called again once it has ended."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.pid = 0
        """The program's own process id (the guard's is another one); 0 until it is started."""
        self._command = list(command)
        self._environment = dict(environment)
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the program is up."""
        return self._guard is not None and self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, 128 + N after signal N; None before the start and while it runs."""
        guard = self._guard
        if guard is not None and guard.returncode is None:
            # Not `guard.poll()`: a Ctrl-C inside it leaves its lock held, and the next `wait` hangs forever.
            try:
                ended, status = os.waitpid(guard.pid, os.WNOHANG)
            except ChildProcessError:
                guard.returncode = UNKNOWN_CODE
            else:
                if ended:
                    guard.returncode = os.waitstatus_to_exitcode(status)
        return guard.returncode if guard is not None else None

    def start(self) -> None:
        """Start the program; its output is appended to the log.

        Raises:
            RuntimeError: it is running already.
        """
        if self.running:
            raise RuntimeError(f"{self._command[0]} is running already")
        self._release()
        with self.log.open("ab") as log:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *self._command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # only this process answers a Ctrl-C in the terminal
            )
        self._guard = guard
        assert guard.stdout is not None
        self.pid = int(guard.stdout.readline() or 0)

    def wait(self, timeout: timedelta) -> bool:
        """Wait until the program has ended; False if it still runs after the timeout."""
        deadline = time.monotonic() + timeout.total_seconds()
        while self.running and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        return not self.running

    def terminate(self, grace: timedelta) -> None:
        """Ask the program to end (SIGTERM) and kill it when it has not done so within `grace`."""
        self._signal(signal.SIGTERM)
        if not self.wait(grace):
            self.kill()
        self._release()

    def kill(self) -> None:
        """End the program at once (SIGKILL) and return when it is gone, its ports free again."""
        self._signal(signal.SIGKILL)
        if not self.wait(GUARD_TIMEOUT) and self._guard is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._guard.pid, signal.SIGKILL)
            self.wait(GUARD_TIMEOUT)
        self._release()

    def last_lines(self, count: int) -> str:
        """The end of the log, for messages about a program that failed."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 65_536))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-count:])

    def _signal(self, number: signal.Signals) -> None:
        # To the program, not to its process group: the guard reaps it first and reports its exit code.
        if self.running and self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _release(self) -> None:
        if self._guard is not None:
            for pipe in (self._guard.stdin, self._guard.stdout):
                if pipe is not None:
                    pipe.close()
