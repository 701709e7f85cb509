"""Answers that the API keeps, on the engine with workers that are killed: bought once, outside of the POST."""

from __future__ import annotations

from pathlib import Path

from tests.faults.kept import KeptRun, lost_post
from tests.faults.schedule import Arm

SOUND = {
    "completed twice": 0,
    "wrong": 0,
    "jobs of which more than one purchase was handed out": 0,
    "complaints": 0,
}
LATER = ("response_kept", "response_fetched", "answer_stored", "before_report")


async def test_workers_that_are_killed_after_they_kept_the_id_cost_nothing(tmp_path: Path) -> None:
    """Whoever gets the job fetches the answer: every job has one purchase, and its own answer."""
    deaths = [Arm(label, 1) for label in LATER]
    run = KeptRun(
        tmp_path, jobs=6, kills=deaths, workers=2, slots=1
    )  # else others are in their POST just then
    figures = await run.play()
    assert all(run.lives[label] == 1 for label in LATER)
    assert figures.items() >= {**SOUND, "completed": 6, "purchases": 6}.items()


async def test_a_worker_that_is_killed_before_it_deletes_leaves_the_response(tmp_path: Path) -> None:
    """The job is done; what OpenAI keeps expires there."""
    run = KeptRun(tmp_path, jobs=1, kills=[Arm("before_delete", 1)], workers=1)
    figures = await run.play()
    assert run.lives["before_delete"] == 1
    assert (
        figures.items() >= {**SOUND, "completed": 1, "purchases": 1, "responses left at the API": 1}.items()
    )


async def test_a_worker_that_is_killed_in_the_post_loses_one_purchase_at_most(tmp_path: Path) -> None:
    """Between the API's reply and the keeping of the id there is nothing that could be remembered."""
    deaths = [Arm("response_begun", 1), Arm("response_begun", 2)]
    run = KeptRun(
        tmp_path, jobs=4, kills=deaths, workers=2, slots=1
    )  # else several are in their POST at once
    figures = await run.play()
    assert run.lives["response_begun"] >= 1
    assert figures.items() >= {**SOUND, "completed": 4}.items()
    assert figures["lost in the POST"] <= run.lives["response_begun"]


async def test_an_engine_that_is_killed_costs_no_purchase(tmp_path: Path) -> None:
    """Ids are kept as soon as it is back; workers go on fetching meanwhile."""
    figures = await KeptRun(tmp_path, jobs=10, engine_kills=2, workers=1).play()
    assert figures.items() >= {**SOUND, "completed": 10, "purchases": 10}.items()


async def test_a_reply_that_breaks_off_is_lost_and_counted(tmp_path: Path) -> None:
    """Nobody has learnt the id: this purchase alone is made twice."""
    figures = await KeptRun(tmp_path, jobs=4, choose=lost_post, workers=1).play()
    assert figures.items() >= {**SOUND, "completed": 4, "purchases": 8, "lost in the POST": 4}.items()


async def test_what_a_worker_has_had_is_deleted_at_the_api(tmp_path: Path) -> None:
    """Without kills nothing is left there."""
    figures = await KeptRun(tmp_path, jobs=6, workers=2).play()
    assert figures.items() >= {**SOUND, "completed": 6, "responses left at the API": 0}.items()
