"""A batch that nobody waits for any more: its files are deleted, and it is stopped where it still runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from openai_connector.job import Failed, Job
from openai_connector.observe.events import BatchOver
from tests.simulation import simulate
from tests.unit.waiting.days import (
    CANCEL,
    DELETE,
    BatchHost,
    Worker,
    a_job,
    all_answered,
    back,
    broken,
    refused,
    some,
)


class AtTasks:
    """An engine that knows which tasks are there."""

    def __init__(self) -> None:
        self.gone: set[int] = set()
        self.asked = 0

    async def keep(self, job: Job, variables: Any) -> bool:
        """Keep nothing."""
        return True

    async def is_there(self, job: Job) -> bool | None:
        """Tell."""
        self.asked += 1
        return job.key not in self.gone


def test_files_go_when_all_answers_are_delivered() -> None:
    """Not before: whoever comes later must find them."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        worker = Worker(api)
        outcomes = await worker.once(*jobs)
        await asyncio.sleep(4000)
        first, second, third = (back(*pair) for pair in zip(jobs, outcomes, strict=True))
        await worker.once(first, second)
        await asyncio.sleep(10)
        assert api.asked[DELETE] == 0
        await worker.once(third)
        await asyncio.sleep(10)
        assert api.asked[DELETE] == 2
        assert api.openai.files == 0
        assert [(one.is_cancelled, one.trouble) for one in worker.told(BatchOver)] == [(False, "")]

    simulate(story())


def test_files_stay_where_the_operator_wants_them_kept() -> None:
    """They expire at the API."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        worker = Worker(api, is_deleting=False)
        assert all_answered(jobs, await worker.to_the_end(*jobs))
        await asyncio.sleep(100)
        assert api.asked[DELETE] == 0

    simulate(story())


def test_jobs_that_another_worker_has_ended_count_too() -> None:
    """They do not come back here: the engine is asked for them, and has them no more."""

    async def story() -> None:
        api, at_tasks, [own, other] = BatchHost(), AtTasks(), some(2)
        worker = Worker(api, size=2, at_task=at_tasks)
        outcomes = await worker.once(own, other)
        await asyncio.sleep(4000)
        await worker.once(back(own, outcomes[0]))
        assert api.asked[DELETE] == 0
        at_tasks.gone.add(other.key)
        await asyncio.sleep(4 * 3600)
        assert api.asked[DELETE] == 2
        assert api.asked[CANCEL] == 0

    simulate(story())


def test_a_batch_of_cancelled_instances_is_stopped() -> None:
    """As soon as the last of its jobs is known to be gone; what was run by then may be paid for."""

    async def story() -> None:
        api, at_tasks, jobs = BatchHost(), AtTasks(), some(3)
        worker = Worker(api, at_task=at_tasks)
        await worker.once(*jobs)
        at_tasks.gone |= {jobs[0].key, jobs[1].key}
        await asyncio.sleep(200)
        assert api.asked[CANCEL] == 0
        at_tasks.gone.add(jobs[2].key)
        await asyncio.sleep(600)
        assert api.asked[CANCEL] == 1
        assert [one.is_cancelled for one in worker.told(BatchOver)] == [True]
        assert api.openai.ledger.count < 3

    simulate(story())


def test_the_line_of_a_cancelled_instance_is_ignored() -> None:
    """The others get their answers."""

    async def story() -> None:
        api, at_tasks, jobs = BatchHost(), AtTasks(), some(3)
        worker = Worker(api, at_task=at_tasks)
        outcomes = await worker.once(*jobs)
        at_tasks.gone.add(jobs[0].key)
        left = [back(*pair) for pair in zip(jobs[1:], outcomes[1:], strict=True)]
        assert all_answered(left, await worker.to_the_end(*left))
        await asyncio.sleep(100)
        assert (api.asked[CANCEL], api.asked[DELETE]) == (0, 2)

    simulate(story())


def test_a_line_that_is_bought_again_counts_as_delivered() -> None:
    """Its job waits for another batch now."""

    async def story() -> None:
        api = BatchHost()
        api.openai.fates(lambda name, _: "500" if name.startswith("1-") and name.count("-") == 1 else "")
        jobs = some(2)
        worker = Worker(api, size=2)
        assert all_answered(jobs, await worker.to_the_end(*jobs))
        await asyncio.sleep(100)
        assert api.openai.files == 0
        assert len(worker.told(BatchOver)) == 2

    simulate(story())


FAULTS: list[Any] = [
    pytest.param(lambda: refused(500), id="500"),
    pytest.param(broken, id="broken"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_deleted_is_tried_once_more(fault: Any) -> None:
    """After that the files' own end has the word, and it is said."""

    async def story() -> None:
        api, given = BatchHost(), a_job(1)
        api.faults[DELETE] = [fault()]
        worker = Worker(api, size=1)
        assert all_answered([given], await worker.to_the_end(given))
        await asyncio.sleep(100)
        assert api.openai.files == 0
        api.faults[DELETE] = [fault(), fault()]
        await worker.to_the_end(a_job(2))
        await asyncio.sleep(100)
        assert api.openai.files == 2
        assert [bool(one.trouble) for one in worker.told(BatchOver)] == [False, True]

    simulate(story())


def test_files_that_are_gone_already_are_no_trouble() -> None:
    """Somebody was faster."""

    async def story() -> None:
        api, given = BatchHost(), a_job(1)
        api.faults[DELETE] = [refused(404), refused(404)]
        worker = Worker(api, size=1)
        await worker.to_the_end(given)
        await asyncio.sleep(10)
        assert [one.trouble for one in worker.told(BatchOver)] == [""]

    simulate(story())


def test_a_worker_that_ends_takes_its_files_with_it() -> None:
    """What is under way is waited for a little; nothing is left of the answers on the machine."""

    async def story() -> None:
        api, jobs = BatchHost(), some(3)
        worker = Worker(api)
        outcomes = await worker.once(*jobs)
        await asyncio.sleep(4000)
        await worker.once(*(back(*pair) for pair in zip(jobs, outcomes, strict=True)))
        await worker.close()
        assert api.openai.files == 0

    simulate(story())


def test_a_worker_that_ends_gives_back_what_it_has_gathered() -> None:
    """Cancelled, each job goes back as one that was never sent."""

    async def story() -> None:
        api = BatchHost()
        worker = Worker(api, size=10)
        works = [asyncio.create_task(worker.connector.work(one)) for one in some(3)]
        await asyncio.sleep(1)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await worker.close()
        assert all(work.cancelled() for work in works)
        assert not api.sizes

    simulate(story())


def test_an_incident_keeps_its_batch_until_a_person_has_decided() -> None:
    """Its answer is in the engine: the batch is over for it; a refused one buys anew."""

    async def story() -> None:
        api, given = BatchHost(), a_job(1)
        api.openai.fates(lambda name, _: "400")
        worker = Worker(api, size=1)
        [outcome] = await worker.to_the_end(given)
        assert isinstance(outcome, Failed)
        await asyncio.sleep(100)
        assert api.openai.files == 0

    simulate(story())
