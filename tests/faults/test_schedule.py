"""The schedule: the same seed always does the same, and the long form meets every kind of trouble."""

from __future__ import annotations

from collections import Counter

import pytest

from openai_connector.observe.points import LABELS
from tests.faults.schedule import MODES, ODD_WAYS, WAYS, Schedule, schedule

SEEDS = [1, 2, 3, 4, 5]


def long_form(seed: int) -> Schedule:
    """Make what the command does when nothing else is said."""
    return schedule(seed, jobs=1000, kills=100, engine_kills=10, api_faults=0.2, workers=3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_is_a_schedule(seed: int) -> None:
    """The same seed makes the same schedule with the same answers, another seed another."""
    plan, again, other = long_form(seed), long_form(seed), long_form(seed + 1)
    assert plan == again
    assert plan.strikes != other.strikes
    assert [plan.choice(number, 1) for number in range(100)] == [again.choice(n, 1) for n in range(100)]
    assert [plan.choice(number, 1) for number in range(100)] != [plan.choice(n, 2) for n in range(100)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_long_form_meets_everything(seed: int) -> None:
    """Each labelled point is armed ten times, each wire struck in each way, workers killed beside a dead engine."""
    plan = long_form(seed)
    assert plan.kills == 100
    assert Counter(arm.label for arm in plan.arms) == dict.fromkeys(LABELS, 10)
    kinds = Counter(strike.kind for strike in plan.strikes)
    assert kinds["engine"] == 10
    assert sum(strike.kind == "engine" and strike.slot is not None for strike in plan.strikes) == 5
    assert {"kill", "freeze", "outage"} <= kinds.keys()
    for side in ("engine link", "api link"):
        assert {strike.mode for strike in plan.strikes if strike.kind == side} == set(MODES)
    assert max(strike.at for strike in plan.strikes) < plan.jobs
    assert {plan.choice(number, 1).way for number in range(1000)} == {"", *WAYS, *ODD_WAYS}


@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_the_api_misbehaves_as_often_as_it_is_told(share: float) -> None:
    """The share of calls that are answered badly is the one that was asked for."""
    plan = schedule(1, jobs=10, kills=0, engine_kills=0, api_faults=share, workers=3)
    bad = sum(plan.choice(number, 1).way != "" for number in range(5000))
    assert bad / 5000 == pytest.approx(share, abs=0.02)


def test_proper_wires_can_be_asked_for() -> None:
    """Answers on malformed wires can be left out."""
    plan = schedule(1, jobs=9, kills=0, engine_kills=0, api_faults=1, workers=3, odd_wires=False)
    assert {plan.choice(number, 1).way for number in range(1000)} == set(WAYS)
