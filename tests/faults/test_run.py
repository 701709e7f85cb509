"""The short form of the long run: `python -m tests.faults` has all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.ledger import table
from tests.faults.run import WORKERS, play
from tests.faults.schedule import schedule

JOBS = 60


@pytest.mark.usefixtures("no_cluster")
async def test_under_kills_and_faults_every_job_ends_with_its_own_answer(tmp_path: Path) -> None:
    """Workers and engine killed, wires cut, an API that misbehaves: nothing is lost, stuck, wrong or done twice."""
    plan = schedule(1, jobs=JOBS, kills=10, engine_kills=1, api_faults=0.2, workers=WORKERS)
    ledger = await play(plan, tmp_path)
    print(table([ledger]))
    assert (ledger.lost, ledger.stuck, ledger.wrong, ledger.twice) == (0, 0, 0, 0), table([ledger])
    assert ledger.completed == JOBS
    assert ledger.kills > 0
    assert ledger.engine_kills == 1
