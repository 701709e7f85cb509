"""The worker as users run it: a process of its own, `openai-connector run`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from openai_connector.tools.demo.child import Child

SECRET = "sk-engine-test-secret"
SHARED_JOB_TYPE = "shared"
"""Of the worker that tests share: it runs beside others, which must not lose jobs of the usual type to it."""


def neutral_environment() -> dict[str, str]:
    """Return this machine's environment without any setting of a worker, and without its proxies."""
    foreign = ("CAMUNDA_", "CONNECTOR_", "OPENAI_", "OTEL_", "SECRET_", "ZEEBE_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(foreign) and not name.upper().endswith("_PROXY")
    }


class Worker:
    """One worker process; it may ask anything on this machine, and knows the secret `KEY`."""

    def __init__(self, address: str, log: Path, settings: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._child = Child(
            [sys.executable, "-m", "openai_connector", "run"],
            environment=neutral_environment()
            | {
                "ZEEBE_ADDRESS": address,
                "CONNECTOR_ALLOWED_HOSTS": "127.0.0.1",
                "CONNECTOR_LOG_LEVEL": "DEBUG",
                "CONNECTOR_HTTP_PORT": "off",
                "SECRET_KEY": SECRET,
            }
            | dict(settings or {}),
            log=log,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, once it has ended."""
        return self._child.exit_code

    def start(self) -> None:
        """Start the process; it connects on its own time."""
        self._child.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    async def ended(self, *, seconds: float = 60) -> int:
        """Wait for the end and return the exit code."""
        async with asyncio.timeout(seconds):
            while self._child.running:
                await asyncio.sleep(0.05)
        code = self._child.exit_code
        assert code is not None
        return code

    async def said(self, text: str, *, seconds: float = 60) -> None:
        """Wait until the log has a text."""
        async with asyncio.timeout(seconds):
            while text not in self.log.read_text("utf-8", "replace"):
                await asyncio.sleep(0.05)

    def close(self) -> None:
        """End it, gently for two seconds."""
        self._child.terminate(timedelta(seconds=2))

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)
