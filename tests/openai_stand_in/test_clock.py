"""The API's own time."""

from __future__ import annotations

import asyncio

from tests.openai_stand_in.clock import Clock


def test_time_that_stands_still_moves_only_when_it_is_moved() -> None:
    """Proves that a test decides what time it is."""
    clock = Clock(scale=0)
    before = clock.now()

    clock.advance(60)

    assert clock.now() == before + 60


async def test_a_sleeper_wakes_when_time_jumps() -> None:
    """Proves that whoever waits for a time is there when it comes by a jump."""
    clock = Clock(scale=0)
    sleeper = asyncio.create_task(clock.sleep_until(clock.now() + 3600))
    await asyncio.sleep(0)

    clock.advance(3599)
    await asyncio.sleep(0.01)
    is_too_early = sleeper.done()
    clock.advance(1)
    await asyncio.wait_for(sleeper, 5)

    assert not is_too_early


async def test_a_sleeper_wakes_sooner_when_time_is_made_faster() -> None:
    """Proves that a change of the scale holds for those who sleep already."""
    clock = Clock(scale=1e-6)
    sleeper = asyncio.create_task(clock.sleep_until(clock.now() + 3600))
    await asyncio.sleep(0)

    clock.scale = 1e9

    await asyncio.wait_for(sleeper, 5)
