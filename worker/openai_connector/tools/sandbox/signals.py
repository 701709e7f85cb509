"""How Ctrl-C and `kill` end the commands: in an orderly way, with no process or file left over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from openai_connector.contract import ExitStatus

UNSUPPORTED = "This command runs on Linux and macOS; on Windows, run it inside WSL."
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def is_supported() -> bool:
    """Return whether this system can run what the commands start."""
    return sys.platform != "win32"


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command in an event loop and return its exit status; a signal cancels it (130)."""
    os.environ.setdefault(
        "GRPC_VERBOSITY", "NONE"
    )  # the commands report a port that is taken themselves, in one sentence

    async def guarded() -> int:
        task = asyncio.current_task()
        assert task is not None
        handle(task.cancel)
        return await main()

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        return ExitStatus.INTERRUPTED


def stopping() -> asyncio.Event:
    """Return an event that the first signal sets; the second one cancels the current task."""
    event, task = asyncio.Event(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        if event.is_set():
            task.cancel()
        event.set()

    handle(stop)
    return event


def handle(callback: Callable[[], object]) -> None:
    """Set what the running loop calls for each signal that ends programs; ignored signals stay ignored."""
    loop = asyncio.get_running_loop()
    for name in _SIGNALS:
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, callback)
