"""Answers by the day, on the engine with workers that are killed: each line is bought once, nothing is mixed up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.day import DayRun
from tests.faults.schedule import Arm
from tests.faults.stage import FOLDER
from tests.openai_stand_in.faults import Call, Way

SOUND = {
    "completed twice": 0,
    "wrong": 0,
    "lines bought twice": 0,
    "jobs bought twice": 0,
    "incidents": 0,
    "complaints": 0,
}
QUICK = {"CONNECTOR_JOB_LEASE": "PT3S", "CONNECTOR_BATCH_PAUSE": "PT1.5S", "CONNECTOR_BATCH_LOOK": "PT1S"}


async def test_a_flood_makes_full_batches_without_any_slots_to_spare(tmp_path: Path) -> None:
    """One worker gathers more jobs than it has slots; each gets its own answer, and no file is left."""
    # The pause is for batches that are not full: here all are, however slow the machine is.
    settings = {**QUICK, "CONNECTOR_MAX_JOBS": "10", "CONNECTOR_BATCH_PAUSE": "PT30S"}
    figures = await DayRun(tmp_path, jobs=360, size=120, workers=1, settings=settings).play()
    assert figures.items() >= {**SOUND, "completed": 360, "purchases": 360, "batches": 3}.items()
    assert figures["files left at the API"] == 0


DEATHS = [
    pytest.param("gathered", 30, id="gathered"),
    pytest.param("file_uploaded", 1, id="file_uploaded"),
    pytest.param("batch_submitted", 1, id="batch_submitted"),
    pytest.param("batch_kept", 7, id="batch_kept"),
    pytest.param("line_handed_out", 7, id="line_handed_out"),
]


@pytest.mark.parametrize(("label", "times"), DEATHS)
async def test_a_kill_buys_nothing_twice(tmp_path: Path, label: str, times: int) -> None:
    """Wherever a line is on its way; the next worker goes on with it."""
    run = DayRun(tmp_path, jobs=40, size=20, kills=[Arm(label, times)], workers=1, settings=QUICK)
    figures = await run.play()
    assert run.lives[label] == 1
    assert figures.items() >= {**SOUND, "completed": 40, "purchases": 40}.items()


async def test_a_killed_worker_with_a_store_costs_as_little(tmp_path: Path) -> None:
    """What the store has and what the API lists go together."""
    deaths = [Arm("batch_submitted", 1), Arm("batch_kept", 2)]
    figures = await DayRun(
        tmp_path, jobs=40, size=20, kills=deaths, workers=1, store=FOLDER, settings=QUICK
    ).play()
    assert figures.items() >= {**SOUND, "completed": 40, "purchases": 40}.items()


def lost_reply(call: Call) -> Way:
    """Break off the reply to each first submission, after the batch was taken."""
    return Way("reset after") if call.endpoint == "POST /v1/batches" and call.nth % 2 else Way()


async def test_a_submission_whose_reply_is_lost_is_not_made_again(tmp_path: Path) -> None:
    """The batch is found in the list."""
    figures = await DayRun(tmp_path, jobs=40, size=20, choose=lost_reply, workers=1, settings=QUICK).play()
    assert figures.items() >= {**SOUND, "completed": 40, "purchases": 40, "batches": 2}.items()


async def test_an_engine_that_is_killed_costs_no_line(tmp_path: Path) -> None:
    """Leases may be lost meanwhile: nothing is submitted without them."""
    run = DayRun(tmp_path, jobs=60, size=20, engine_kills=1, workers=2, settings=QUICK)
    figures = await run.play()
    assert figures.items() >= {**SOUND, "completed": 60, "purchases": 60}.items()
