"""How long to wait before trying again.

Doubling, with jitter, so that many workers do not come back at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def delays(first: float, longest: float) -> Iterator[float]:
    """Yield seconds without end.

    `first`, doubled each time up to `longest`, each shortened by up to a half.
    """
    base = first
    while True:
        yield base * random.uniform(0.5, 1.0)
        base = min(base * 2, longest)
