"""What workers tell each other of limits and outages, by a value that a store may share.

Each worker keeps its own knowledge. What is shared are the latest refusal of each key, and the latest failure
and answer of each host, as moments of the wall clock. Nothing waits for the store: without it each learns by
itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from openai_connector.limits.gate import PER_SECOND, Facts, Gate

NAME: Final = "limits"
"""Of the shared value."""
KEPT: Final = 3600.0
"""Seconds for which what was told last of a key or a host is kept."""
NEWER: Final = 0.001
"""Seconds by which a moment is later than another that is not the same."""


class SharedState(Protocol):
    """A value that all workers of a fleet read and change: a `Store` is one."""

    async def shared(self, name: str) -> Mapping[str, Any] | None:
        """Return a value; None: nobody has written it."""
        ...

    async def update(
        self, name: str, change: Callable[[Mapping[str, Any] | None], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Change a value, one worker at a time, and return it."""
        ...


async def exchange(gate: Gate, state: SharedState, wall: Callable[[], float] = time.time) -> None:
    """Tell the others what this worker has learned, and learn from them; to be called now and then.

    Raises what the state raises.
    """
    ahead = wall() - gate.now()
    known = _readable(await state.shared(NAME))
    gate.learn({name: _moved(facts, -ahead) for name, facts in known.items()})
    news = {
        name: facts
        for name, told in gate.facts().items()
        if _is_news(facts := _moved(told, ahead), known.get(name, {}))
    }
    if news:
        oldest = wall() - KEPT
        await state.update(NAME, lambda value: _merged(_readable(value), news, oldest))


def _merged(known: Mapping[str, Facts], news: Mapping[str, Facts], oldest: float) -> dict[str, Facts]:
    """Return what is known with what is new: of each fact the later moment, a rate with its refusal."""
    merged = {name: facts for name, facts in known.items() if max(facts.values(), default=0.0) > oldest}
    for name, facts in news.items():
        before = merged.get(name, {})
        later = {what: max(at, before.get(what, at)) for what, at in facts.items() if what != PER_SECOND}
        rated = facts if facts.get("refusedAt", 0.0) >= before.get("refusedAt", 0.0) else before
        rate = {PER_SECOND: rated[PER_SECOND]} if PER_SECOND in rated else {}
        kept = {what: at for what, at in before.items() if what != PER_SECOND}
        merged[name] = kept | later | rate
    return merged


def _is_news(facts: Facts, known: Facts) -> bool:
    return any(at > known.get(what, 0.0) + NEWER for what, at in facts.items() if what != PER_SECOND)


def _moved(facts: Facts, seconds: float) -> Facts:
    return {what: value if what == PER_SECOND else value + seconds for what, value in facts.items()}


def _readable(value: Mapping[str, Any] | None) -> dict[str, Facts]:
    """Return what can be read: workers of other versions may write other things."""
    return {
        name: {what: float(at) for what, at in facts.items() if isinstance(at, int | float)}
        for name, facts in (value or {}).items()
        if isinstance(facts, Mapping)
    }
