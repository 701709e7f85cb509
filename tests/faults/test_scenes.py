"""One trouble at a time, over real sockets: the short forms of `python -m tests.faults --scene NAME`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import scenes
from tests.faults.ledger import OFF
from tests.faults.stage import FOLDER

pytestmark = pytest.mark.usefixtures("no_cluster")
JOBS = 6
UNSOUND = "lost, stuck, wrong, completed twice"


async def test_a_partition_buys_each_answer_once(tmp_path: Path, database: str) -> None:
    """A worker is cut off from the engine for three leases in mid-call; another one is free, and waits for it."""
    figures = await scenes.partition(tmp_path, database, JOBS, 15)
    assert (figures["answers bought"], figures["jobs bought more than once"]) == (JOBS, 0)
    assert figures[UNSOUND] == 0


async def test_the_jobs_of_a_frozen_worker_are_done_by_another(tmp_path: Path) -> None:
    """All are done while it is frozen; awake it fails none of them."""
    figures = await scenes.frozen(tmp_path, OFF, JOBS, 12)
    assert figures["all done while it was frozen"]
    assert (figures["jobs that the frozen worker failed"], figures["retries lost"]) == (0, 0)
    assert figures[UNSOUND] == 0


async def test_a_cancelled_instance_cuts_its_call(tmp_path: Path) -> None:
    """No call goes on to its end for nobody."""
    figures = await scenes.cancelled(tmp_path, FOLDER, JOBS, 40)
    assert figures["calls"] == figures["calls cut"] == JOBS


async def test_an_outage_costs_hardly_a_retry(tmp_path: Path) -> None:
    """The API refuses connections, answers 503 and hangs, by turns; three workers' jobs are all done after it."""
    figures = await scenes.outage(tmp_path, FOLDER, 60, 15)
    assert figures["incidents"] == 0
    assert figures["retries lost"] <= 5
    assert figures[UNSOUND] == 0
