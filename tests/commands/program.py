"""`openai-connector try` and `sandbox` as people and scripts run them: processes of their own."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.engine.worker import neutral_environment

PATIENCE = 120.0
"""Seconds that anything may take on a busy machine."""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it has printed, as the one JSON document that it is to be."""
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """What it has printed, without line breaks: values are wrapped."""
        return " ".join(self.out.split())


async def run(*arguments: str | Path, environment: Mapping[str, str] | None = None, given: str = "") -> Done:
    """Run a command to its end, with these settings and this standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "openai_connector", *map(str, arguments)),
        env=neutral_environment() | dict(environment or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Done(process.returncode or 0, out.decode(), err.decode())


class Running:
    """A command that is at work, with its output in files."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self._folder = folder

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return (self._folder / "out").read_text("utf-8")

    @property
    def err(self) -> str:
        """What it has written to standard error so far."""
        return (self._folder / "err").read_text("utf-8")

    def children(self) -> list[int]:
        """Return the process ids of all that it has started."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def said(self, text: str) -> str:
        """Wait until it has printed a text (a pattern).

        And return the pattern's first group, else all of it.
        """
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(text, self.out + self.err)):
            assert self.process.poll() is None, (
                f"ended early with {self.process.returncode}:\n{self.out}{self.err}"
            )
            assert time.monotonic() < deadline, f"took too long:\n{self.out}{self.err}"
            time.sleep(0.05)
        return found[1] if found.re.groups else found[0]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def running(
    folder: Path, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a command until the block ends; its temporary files go into a folder of their own, `scratch`."""
    (folder / "scratch").mkdir(exist_ok=True)
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "openai_connector", *map(str, arguments)],
            env=neutral_environment() | {"TMPDIR": str(folder / "scratch")} | dict(environment or {}),
            stdout=out,
            stderr=err,
            # As in a terminal: where the tests run in the background, Ctrl-C is ignored, and that is
            # inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        yield Running(process, folder)
    finally:
        process.kill()
        process.wait()
