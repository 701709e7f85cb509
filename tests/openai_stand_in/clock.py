"""The API's own time: faster than ours, and able to jump."""

from __future__ import annotations

import asyncio
import time

EPOCH = 1_795_651_200.0
"""When each stand-in begins: 26 November 2026."""


class Clock:
    """Seconds since 1970, of which `scale` pass in one second of ours.

    Args:
        scale: how much faster.
        begin: the first time told.
    """

    def __init__(self, scale: float = 1.0, begin: float = EPOCH) -> None:
        self._scale = scale
        self._base = begin
        self._since = time.monotonic()
        self._sleepers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @property
    def scale(self) -> float:
        """How much faster it is than ours; may be set at any time."""
        return self._scale

    @scale.setter
    def scale(self, scale: float) -> None:
        self._base, self._since = self.now(), time.monotonic()
        self._scale = scale
        self._wake()

    def now(self) -> float:
        """Return the present time."""
        return self._base + (time.monotonic() - self._since) * self._scale

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._base += seconds
        self._wake()

    async def sleep_until(self, when: float) -> None:
        """Wait for a time, in whichever way it comes."""
        turn, loop = asyncio.Event(), asyncio.get_running_loop()
        self._sleepers[turn] = loop
        try:
            while (left := when - self.now()) > 0:
                turn.clear()
                timer = loop.call_later(left / self._scale, turn.set) if self._scale else None
                await turn.wait()
                if timer is not None:
                    timer.cancel()
        finally:
            del self._sleepers[turn]

    def _wake(self) -> None:
        for turn, loop in list(self._sleepers.items()):
            loop.call_soon_threadsafe(turn.set)
