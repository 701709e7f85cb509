"""What happens in a run, and when: all of it follows from the seed.

Time is counted in jobs that are done, not in seconds: on a slow machine the same things happen to the same jobs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, Literal, NamedTuple

from openai_connector.observe.points import LABELS

Kind = Literal["kill", "freeze", "engine", "outage", "engine link", "api link"]
Mode = Literal["", "cut", "reset", "delay", "mute up", "mute down", "hole"]

MODES: Final[tuple[Mode, ...]] = ("cut", "reset", "delay", "mute up", "mute down", "hole")
"""What happens to a wire: refused, broken once, slow, one direction silent, silent and then gone."""
WAYS: Final = {
    "429 with a hint": 3,
    "429": 1,
    "408": 1,
    "500": 2,
    "503": 2,
    "hang": 1,
    "slow": 2,
    "drip": 2,
    "truncated": 2,
    "reset before": 2,
    "reset after": 2,
    "not json": 1,
    "no choices": 1,
}
"""How often the API misbehaves in which way."""
ODD_WAYS: Final = {"sent twice": 1, "unasked 408": 1, "length twice": 1, "latin-1 reason": 1}
"""Whole answers on wires that no well-behaved server has."""
LABELLED: Final = 0.9
"""The share of the kills that happen at labelled points; the others come from outside, at any time."""
FIRST, LAST = 0.02, 0.85
"""The share of the jobs that are done before the first and the last strike."""


class Choice(NamedTuple):
    """How the API answers one call."""

    way: str
    """Empty: as it should."""
    seconds: float
    """How long it thinks."""


class Arm(NamedTuple):
    """Where a worker kills itself."""

    label: str
    times: int


@dataclass(frozen=True, slots=True)
class Strike:
    """Something that is done to a process or a wire."""

    at: int
    """Jobs that are done before."""
    kind: Kind
    slot: int | None
    """Which worker, where one is meant; of an engine: who is killed while it is away."""
    seconds: float
    mode: Mode = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that happens in a run."""

    seed: int
    jobs: int
    arms: tuple[Arm, ...]
    """In the order in which workers are started with them."""
    strikes: tuple[Strike, ...]
    api_faults: float
    odd_wires: bool

    @property
    def kills(self) -> int:
        """How many workers are killed."""
        return len(self.arms) + sum(
            strike.kind == "kill" or (strike.kind == "engine" and strike.slot is not None)
            for strike in self.strikes
        )

    def choice(self, number: int, nth: int) -> Choice:
        """Return how the nth call for a job is answered."""
        dice = random.Random(f"{self.seed}/{number}/{nth}")
        seconds = dice.uniform(0.05, 0.5)
        if dice.random() >= self.api_faults:
            return Choice("", seconds)
        ways = WAYS | (ODD_WAYS if self.odd_wires else {})
        return Choice(dice.choices(list(ways), list(ways.values()))[0], seconds)


def schedule(
    seed: int,
    *,
    jobs: int,
    kills: int,
    engine_kills: int,
    api_faults: float,
    workers: int,
    odd_wires: bool = True,
) -> Schedule:
    """Make the schedule of a seed."""
    dice = random.Random(f"{seed}")
    labelled = round(kills * LABELLED)
    arms = [
        Arm(label, dice.randint(1, max(1, jobs // max(kills, 1))))
        for label in islice(cycle(LABELS), labelled)
    ]
    dice.shuffle(arms)
    strikes = list(_strikes(dice, kills - labelled, engine_kills, workers, max(12, kills // 3)))
    places = sorted(round(jobs * dice.uniform(FIRST, LAST)) for _ in strikes)
    dice.shuffle(strikes)
    placed = [
        Strike(at, kind, slot, seconds, mode)
        for at, (kind, slot, seconds, mode) in zip(places, strikes, strict=True)
    ]
    return Schedule(seed, jobs, tuple(arms), tuple(placed), api_faults, odd_wires)


def _strikes(
    dice: random.Random, kills: int, engine_kills: int, workers: int, cuts: int
) -> Iterator[tuple[Kind, int | None, float, Mode]]:
    """Return what is done, not yet when; every second engine that is away sees a worker killed too."""
    together = min(kills, engine_kills // 2)
    for number in range(engine_kills):
        yield "engine", dice.randrange(workers) if number < together else None, dice.uniform(0.5, 4), ""
    for _ in range(kills - together):
        yield "kill", dice.randrange(workers), 0, ""
    for _ in range(max(1, kills // 4)):
        yield "freeze", dice.randrange(workers), dice.uniform(6, 9), ""
    for _ in range(max(1, engine_kills // 4)):
        yield "outage", None, dice.uniform(2, 4), ""
    sides: Sequence[Kind] = ("engine link", "api link")
    for kind, mode in islice(cycle((side, mode) for mode in MODES for side in sides), cuts):
        yield kind, dice.randrange(workers), dice.uniform(0.5, 4), mode
