"""Gathers the jobs of one batch, and submits it: once, whatever happens in between."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from openai_connector import wording
from openai_connector.job import Recovery, Slot
from openai_connector.observe.events import BatchFound, BatchSubmitted, Events
from openai_connector.observe.points import reached
from openai_connector.openai_api import ApiError
from openai_connector.waiting.batch_api import MOST_BYTES, MOST_LINES, Account, BatchApi
from openai_connector.waiting.errors import NotSubmittedError
from openai_connector.waiting.known import Known
from openai_connector.waiting.lines import line_of, mark
from openai_connector.waiting.pace import WaitOptions

log = logging.getLogger(__name__)

LEAST_LEASE: Final = 1.0
"""Seconds that the leases of all jobs of a batch are held for at least while it is submitted."""
SUBMIT_TIME: Final = 30.0
"""Seconds for the answer to that, where the leases last so long."""
LOOK_AGAIN: Final = 2.0
"""Seconds after which it is looked whether a batch is there whose submission broke off."""
LAST_WAIT: Final = 5.0
"""Seconds for which a job whose work is stopped waits for the batch that is being submitted."""
LINE_BYTES: Final = 200
"""Of a line beside its body, at most."""
AT_ONCE: Final = 3
"""Batches of the largest size that may be gathered at the same time."""
FEW: Final = 1000
"""Jobs that may be gathered, however small the batches are."""


@dataclass(slots=True, eq=False)
class Gathered:
    """One job that waits for its batch."""

    name: str
    """Of its line."""
    body: bytes = field(repr=False)
    slot: Slot = field(repr=False)
    since: float
    batch: asyncio.Future[str]
    """The id of the batch that has its line."""
    mark: int = 0
    is_on_its_way: bool = False
    """Its batch is being submitted."""

    @property
    def size(self) -> int:
        """Bytes of the line."""
        return len(self.body) + LINE_BYTES


@dataclass(frozen=True, slots=True)
class Kind:
    """What the lines of one batch have in common."""

    account: Account
    endpoint: str
    model: str


class Group:
    """The jobs of one kind that wait for a batch."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.jobs: dict[str, Gathered] = {}
        """By the names of their lines, in the order in which they came."""
        self.bytes = 0
        self.is_urgent = False
        self.news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def take_out(self, gathered: Gathered) -> None:
        """Leave a job out."""
        if self.jobs.get(gathered.name) is gathered:
            del self.jobs[gathered.name]
            self.bytes -= gathered.size


class Gathering:
    """Gathers jobs by what their batches have in common.

    Args:
        api: asks.
        events: are told of batches.
        options: how many jobs a batch has, and how long it waits for them.
        submitted: called with whose batch it is, and the batch, before any of its jobs knows.
    """

    def __init__(
        self,
        api: BatchApi,
        events: Events,
        options: WaitOptions,
        submitted: Callable[[Account, str, Iterable[str]], None],
    ) -> None:
        self._api = api
        self._events = events
        self._options = options
        self._submitted = submitted
        self._size = min(options.batch_size, MOST_LINES)
        self._groups: dict[Kind, Group] = {}
        self._known: dict[Account, Known] = {}
        self._count = self._bytes = 0
        self._is_stopping = False

    def known(self, account: Account) -> Known:
        """Return what is known of an account's batches."""
        if account not in self._known:
            if len(self._known) > 1000:  # keys that were renewed
                self._known.clear()
            self._known[account] = Known(self._api, account, self._options.fleet)
        return self._known[account]

    async def batch_of(self, kind: Kind, name: str, body: bytes, slot: Slot) -> str:
        """Return the id of the batch that has a job's line, once it is submitted, or is found to be.

        Raises:
            NotSubmittedError: there is none for now.
            ApiError: there is none, and a person must act.
            StoppedError: the work was cancelled; it has the id where there is one all the same.
        """
        self._check_room(len(body))
        loop = asyncio.get_running_loop()
        job = Gathered(name, body, slot, loop.time(), loop.create_future(), mark(name))
        group = self._groups.setdefault(kind, Group(kind))
        group.jobs[name] = job
        group.bytes += job.size
        self._count += 1
        self._bytes += job.size
        slot.park()
        reached("gathered")
        group.news.set()
        if group.task is None:
            group.task = asyncio.create_task(self._run(group))
        try:
            return await asyncio.shield(job.batch)
        except asyncio.CancelledError:
            if job.is_on_its_way:
                await asyncio.wait([job.batch], timeout=LAST_WAIT)
            if job.batch.done() and not job.batch.cancelled() and job.batch.exception() is None:
                raise StoppedError(job.batch.result()) from None
            raise
        finally:
            job.batch.cancel()
            group.take_out(job)
            self._count -= 1
            self._bytes -= job.size

    def stopping(self) -> None:
        """Submit what there is: no more jobs come."""
        self._is_stopping = True
        for group in self._groups.values():
            group.news.set()

    async def aclose(self) -> None:
        """End; what is gathered was given back, or goes with its jobs."""
        tasks = [group.task for group in self._groups.values() if group.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check_room(self, size: int) -> None:
        is_full = self._bytes + size > self._options.batch_bytes or self._count >= max(
            AT_ONCE * self._size, FEW
        )
        if not is_full or not self._count:
            return
        if all(self._due_in(group) > 0 for group in self._groups.values() if group.jobs):
            largest = max(self._groups.values(), key=lambda group: group.bytes)
            largest.is_urgent = True
            largest.news.set()
        raise NotSubmittedError(wording.HELD_BY_PAYLOAD(), random.uniform(2, 5), is_wait_counted=False)

    # When

    async def _run(self, group: Group) -> None:
        """Submit batches of one kind while there are jobs."""
        try:
            while group.jobs:
                group.news.clear()
                seconds = self._due_in(group)
                if seconds > 0:
                    await _wait(group.news, seconds)
                    continue
                jobs = list(group.jobs.values())
                try:
                    await self._submit(group)
                except Exception as error:  # a bug included: no job waits for ever
                    self._fail(group, jobs, error)
        finally:
            group.task = None
            if not group.jobs:
                self._groups.pop(group.kind, None)

    def _due_in(self, group: Group) -> float:
        """Return after how many seconds a batch is submitted, as it looks now."""
        largest = min(MOST_BYTES, self._options.batch_bytes)
        if len(group.jobs) >= self._size or group.bytes >= largest or group.is_urgent or self._is_stopping:
            return 0.0
        first = next(iter(group.jobs.values()))
        return first.since + self._options.batch_pause.total_seconds() - asyncio.get_running_loop().time()

    def _fail(self, group: Group, jobs: Iterable[Gathered], error: Exception) -> None:
        """Tell jobs why they have no batch; none of them is sent from now on."""
        wait = self._options.batch_look.total_seconds() * random.uniform(0.75, 1.25)
        if isinstance(error, ApiError) and error.recovery is not Recovery.PERMANENT:
            log.warning("A batch could not be submitted (%s); its jobs go back for a while", error)
            asked = error.wait.total_seconds() if error.wait is not None else 0.0
            message = wording.NOT_SUBMITTED(error=error)
            error = NotSubmittedError(message, max(wait, asked), is_wait_counted=True)
        for job in jobs:
            group.take_out(job)
            if not job.batch.done():
                job.batch.set_exception(error)
                job.batch.exception()  # is looked at, even where the job has gone

    # What

    async def _submit(self, group: Group) -> None:
        """Submit one batch, unless there is none to be submitted any more.

        What is found in a batch that is there already is not submitted again, nor what another worker may
        have by now. Both are looked for once more with the file in place.
        """
        known = self.known(group.kind.account)
        async with known.turn:
            while True:
                await self._sort_out(group, known)
                if self._due_in(group) > 0 or not group.jobs:
                    return
                jobs = self._first(group)
                file_id = await self._upload(group.kind, jobs)
                reached("file_uploaded")
                await self._sort_out(group, known)
                if all(group.jobs.get(job.name) is job for job in jobs):
                    break
                await self._leave(group.kind.account, file_id)
            group.is_urgent = False
            await self._post(group, known, file_id, jobs)

    def _first(self, group: Group) -> list[Gathered]:
        """Return the jobs of the next batch."""
        jobs: list[Gathered] = []
        size = 0
        for job in group.jobs.values():
            size += job.size
            if jobs and (size > MOST_BYTES or len(jobs) >= self._size):
                break
            jobs.append(job)
        return jobs

    async def _sort_out(self, group: Group, known: Known) -> None:
        """Leave out what needs no new batch, and what another worker may have."""
        await known.refresh()
        found = known.find([job.mark for job in group.jobs.values()])
        adopted: set[str] = set()
        for job in list(group.jobs.values()):
            if (id_ := found.get(job.mark)) is not None:
                adopted.add(id_)
                self._tell(group, job, id_)
            elif job.slot.seconds_left() < LEAST_LEASE:
                error = NotSubmittedError(wording.LEASE_TOO_LATE(), LOOK_AGAIN, is_wait_counted=False)
                self._fail(group, [job], error)
        for id_ in adopted:
            self._events.emit(BatchFound(id_, sum(batch == id_ for batch in found.values())))

    def _tell(self, group: Group, job: Gathered, batch_id: str) -> None:
        group.take_out(job)
        if not job.batch.done():
            job.batch.set_result(batch_id)

    async def _upload(self, kind: Kind, jobs: list[Gathered]) -> str:
        lines = [piece for job in jobs for piece in line_of(job.name, kind.endpoint, job.body)]
        return await self._api.upload(kind.account, lines)

    async def _leave(self, account: Account, file_id: str) -> None:
        """Delete a file that no batch uses; else it goes by itself, later."""
        try:
            await self._api.delete_file(account, file_id)
        except ApiError as error:
            log.info("File %s could not be deleted (%s)", file_id, error)

    async def _post(self, group: Group, known: Known, file_id: str, jobs: list[Gathered]) -> None:
        """Have the file's lines run, while all their jobs are surely ours."""
        kind = group.kind
        seconds = max(LEAST_LEASE / 2, min([SUBMIT_TIME, *(job.slot.seconds_left() for job in jobs)]))
        for job in jobs:
            job.is_on_its_way = True
        try:
            batch = await self._posted(kind, known, file_id, jobs, timedelta(seconds=seconds))
        finally:
            for job in jobs:
                job.is_on_its_way = False
        id_ = str(batch["id"])
        known.add(batch, [job.mark for job in jobs])
        self._submitted(kind.account, id_, [job.name for job in jobs])
        self._events.emit(BatchSubmitted(id_, len(jobs), sum(job.size for job in jobs)))
        reached("batch_submitted")
        for job in jobs:
            self._tell(group, job, id_)

    async def _posted(
        self, kind: Kind, known: Known, file_id: str, jobs: list[Gathered], timeout: timedelta
    ) -> Any:
        try:
            return await self._api.submit(kind.account, file_id, kind.endpoint, known.metadata, timeout)
        except ApiError as error:
            if error.response is not None and 400 <= error.response.status < 500:
                await self._leave(kind.account, file_id)
                raise
            # It may be there all the same.
            await asyncio.sleep(LOOK_AGAIN)
            marks = [job.mark for job in jobs]
            await known.refresh({file_id: marks})
            found = known.find(marks)
            if len(found) < len(marks) or len(set(found.values())) != 1:
                raise
            return await self._api.look(kind.account, found[marks[0]])


class StoppedError(asyncio.CancelledError):
    """The work on a job was cancelled, while its line was submitted."""

    def __init__(self, batch_id: str) -> None:
        super().__init__()
        self.batch_id = batch_id


async def _wait(news: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
