"""The engine's time: the system's time, which a test can move forward or pin."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

LATEST: Final = 253_402_300_799_000
"""The end of the year 9999, in epoch milliseconds: moments after it are this one."""


class Clock:
    """Time in epoch milliseconds. Neither offset nor pin is kept over a restart, as in the real engine."""

    def __init__(self, pinned: int | None = None) -> None:
        self._offset = 0
        self._pinned = pinned

    def now(self) -> int:
        """Return the time in epoch milliseconds."""
        return self._pinned if self._pinned is not None else round(time.time() * 1000) + self._offset

    def after(self, milliseconds: int) -> int:
        """Return the moment after this delay, in epoch milliseconds, but `LATEST` at most."""
        return min(self.now() + milliseconds, LATEST)

    def local(self) -> datetime:
        """Return the time as FEEL's `now()` shows it: with the system's offset."""
        return datetime.fromtimestamp(self.now() / 1000, UTC).astimezone()

    @property
    def is_pinned(self) -> bool:
        """Whether the time stands still."""
        return self._pinned is not None

    def advance(self, milliseconds: int) -> None:
        """Move the clock forward (or back), in addition to earlier moves."""
        if self._pinned is not None:
            self._pinned += milliseconds
        else:
            self._offset += milliseconds

    def pin(self, moment: int) -> None:
        """Stop the clock at a moment."""
        self._pinned = moment

    def reset(self) -> None:
        """Return to the system's time."""
        self._offset, self._pinned = 0, None
