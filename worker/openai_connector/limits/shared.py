"""What workers tell each other of limits and outages, by a state that a store may offer.

Each worker keeps its own knowledge. What is shared are the latest refusal of each key, and the latest failure
and answer of each host, as moments of the wall clock. Nothing waits for the store: without it each learns by
itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from openai_connector.limits.gate import Gate

Facts = Mapping[str, float]
"""Moments by name, in seconds since 1970."""


class SharedState(Protocol):
    """A few numbers for each of a few keys, seen by all workers."""

    async def get(self, key: str) -> Facts | None:
        """Return what was written last; None: nothing."""
        ...

    async def update(self, key: str, facts: Facts) -> None:
        """Write: of each fact the later moment stays."""
        ...


class LocalState:
    """A state of one process."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, float]] = {}

    async def get(self, key: str) -> Facts | None:
        """Return what was written last."""
        return self._facts.get(key)

    async def update(self, key: str, facts: Facts) -> None:
        """Write: of each fact the later moment stays."""
        known = self._facts.setdefault(key, {})
        for name, moment in facts.items():
            known[name] = max(moment, known.get(name, moment))


async def exchange(gate: Gate, state: SharedState, wall: Callable[[], float] = time.time) -> None:
    """Tell the others what this worker has learned, and learn from them; to be called every second or so."""
    ahead = wall() - gate.now()
    for key, facts in gate.facts().items():
        known = await state.get(key) or {}
        gate.learn(key, {name: moment - ahead for name, moment in known.items()})
        newer = {name: moment + ahead for name, moment in facts.items()}
        if any(moment > known.get(name, 0.0) + 0.001 for name, moment in newer.items()):
            await state.update(key, newer)
