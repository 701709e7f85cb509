"""An event loop whose time passes at once: what would be waited for has been waited for."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Hurrying(selectors.SelectSelector):
    """A selector that adds up what it was to wait, and waits for nothing."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.hurrying = _Hurrying()
        super().__init__(self.hurrying)

    def time(self) -> float:
        return self.hurrying.now


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine whose sleeps and timers are over at once, in their order."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main())
