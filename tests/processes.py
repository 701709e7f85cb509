"""Whether programs that tests started have ended."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

PATIENCE = 60.0
"""Seconds that killed programs get to be gone."""


def left_running(pids: Iterable[int]) -> list[int]:
    """Waits until none of the programs runs any more, and returns those that still do.

    A program that nobody has reaped yet (a zombie: in a container often nobody does) has ended.
    """
    deadline = time.monotonic() + PATIENCE
    left = [pid for pid in pids if _runs(pid)]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [pid for pid in left if _runs(pid)]
    return left


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # also where it goes away between the two calls
        return False
