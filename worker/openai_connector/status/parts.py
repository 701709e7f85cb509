"""The parts of the worker, as far as their state is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Fetching(Protocol):
    """What fetches the jobs of one type."""

    @property
    def job_type(self) -> str:
        """The type."""

    @property
    def running(self) -> int:
        """Jobs that are worked on now."""

    @property
    def in_slots(self) -> int:
        """Those of them that take a slot."""

    @property
    def max_jobs(self) -> int:
        """Slots."""

    @property
    def connected(self) -> bool:
        """Whether the engine answered when it was asked last."""

    @property
    def stopping(self) -> bool:
        """Whether no more jobs are fetched."""


class Stored(Protocol):
    """What keeps answers."""

    @property
    def is_healthy(self) -> bool:
        """Whether it works."""

    @property
    def is_full(self) -> bool:
        """Whether it takes no more answers."""


class HeldKey(NamedTuple):
    """A key that may not be used for a while; which key is not told."""

    host: str
    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Parts:
    """What the endpoint looks at."""

    fetching: Sequence[Fetching]
    store: Stored | None = None
    """None: there is none."""
    is_store_required: bool = False
    held: Callable[[], Sequence[HeldKey]] = tuple
    """Returns what rate limits hold back now."""
