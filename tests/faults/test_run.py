"""The short form of the long run: `python -m tests.faults` has all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.ledger import BEFORE, HANDED, OFF, OPEN, STORED, Ledger, table
from tests.faults.run import WORKERS, play
from tests.faults.schedule import schedule
from tests.faults.stage import FOLDER

JOBS = 60


async def played(home: Path, store: str, kills: int) -> Ledger:
    """Play a run; nothing may be lost, stuck, wrong or done twice in it."""
    plan = schedule(1, jobs=JOBS, kills=kills, engine_kills=1, api_faults=0.2, workers=WORKERS)
    ledger = await play(plan, home, store=store)
    print(table([ledger]))
    assert (ledger.lost, ledger.stuck, ledger.wrong, ledger.twice) == (0, 0, 0, 0), table([ledger])
    assert ledger.completed == JOBS
    assert ledger.kills > 0
    assert ledger.engine_kills == 1
    return ledger


@pytest.mark.usefixtures("no_cluster")
async def test_under_kills_and_faults_every_job_ends_with_its_own_answer(tmp_path: Path) -> None:
    """Workers and engine killed, wires cut, an API that misbehaves: nothing is lost, stuck, wrong or done twice."""
    await played(tmp_path, OFF, kills=10)


@pytest.mark.usefixtures("no_cluster")
async def test_with_a_store_no_answer_that_it_was_given_is_bought_again(tmp_path: Path) -> None:
    """Two kills at each point: only an answer that no store had yet is bought again; each cut call is named."""
    ledger = await played(tmp_path, FOLDER, kills=20)
    shown = table([ledger])
    assert ledger.is_sound, shown
    if ledger.without:
        return  # a worker was frozen in the middle of a transaction: the others went on without
    assert (ledger.again_at[STORED], ledger.again_at[HANDED]) == (0, 0), shown
    assert ledger.again_at[BEFORE] == ledger.again_after["answer_received"], shown
    assert ledger.cut > 0, shown
    assert ledger.cut_named == ledger.cut, shown
    assert ledger.lost_by[OPEN] <= ledger.cut, shown
    assert ledger.lost_named == ledger.paid_and_lost, shown
