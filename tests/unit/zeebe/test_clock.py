"""Time that passes while the machine sleeps counts for leases too."""

from __future__ import annotations

import pytest

from openai_connector.zeebe.clock import Clock


@pytest.mark.parametrize(
    ("steps", "passed"),
    [
        pytest.param([(5, 5)], 5, id="awake"),
        pytest.param([(1, 91)], 91, id="suspended"),
        pytest.param([(1, 91), (2, 2), (0, 60)], 153, id="suspended_twice"),
        pytest.param([(90, 0)], 90, id="calendar_stood_still"),
        pytest.param([(5, -3600)], 5, id="calendar_put_back"),
        pytest.param([(5, -3600), (5, 3605)], 3610, id="calendar_put_back_and_forward"),
        pytest.param([(1, 1.0005)] * 1000, 1000, id="calendar_corrected_slowly"),
        pytest.param([(0, 0)], 0, id="at_once"),
    ],
)
def test_the_larger_of_both_times_counts(steps: list[tuple[float, float]], passed: float) -> None:
    """A steady clock may sleep with the machine, the calendar may be put right: neither hides a lost lease."""
    steady, wall = 100.0, 1_000_000.0
    clock = Clock(lambda: steady, lambda: wall)
    begin = clock()
    for steady_step, wall_step in steps:
        steady, wall = steady + steady_step, wall + wall_step
        before, now = begin, clock()
        assert now >= before
    assert now - begin == pytest.approx(passed)
