"""Who still waits for which batch: as soon as nobody does, its files go, and it is stopped if it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from openai_connector.observe.events import BatchOver, Events
from openai_connector.openai_api import ApiError
from openai_connector.redaction import place_of
from openai_connector.waiting.batch_api import ENDED, Account, BatchApi
from openai_connector.waiting.removal import Leftover

log = logging.getLogger(__name__)

LATER: Final = 60.0
"""Seconds until what has failed is tried once more."""
MOST: Final = 10_000
"""Batches that are remembered; the files of the oldest beyond that expire by themselves."""
FILES: Final = ("input_file_id", "output_file_id", "error_file_id")


@dataclass(slots=True, eq=False)
class _Batch:
    account: Account = field(repr=False)
    jobs: set[int]
    """That have not ended, as far as this worker knows."""


class Books:
    """Of the batches that this worker has submitted: their jobs, until they have ended, wherever.

    Args:
        api: asks.
        events: are told of batches that are over.
        is_deleting: delete files; else batches that nobody waits for are only stopped.
        over: called when nobody waits for a batch.
    """

    def __init__(self, api: BatchApi, events: Events, *, is_deleting: bool) -> None:
        self._api = api
        self._events = events
        self._is_deleting = is_deleting
        self._batches: dict[str, _Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def submitted(self, account: Account, batch_id: str, jobs: Iterable[int]) -> None:
        """Note who waits for a batch."""
        self._batches[batch_id] = _Batch(account, set(jobs))
        if len(self._batches) > MOST:
            del self._batches[next(iter(self._batches))]

    def take(self, leftover: Leftover) -> None:
        """Note that a job does not wait for its batch any more."""
        self.ended(leftover.id, leftover.job.key)

    def ended(self, batch_id: str, job_key: int) -> None:
        """Note that a job does not wait for a batch any more."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return
        batch.jobs.discard(job_key)
        if not batch.jobs:
            del self._batches[batch_id]
            task = asyncio.create_task(self._end(batch.account, batch_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def aclose(self, seconds: float) -> None:
        """Wait a little for what is under way, then leave the rest."""
        self._is_closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()

    async def _end(self, account: Account, batch_id: str) -> None:
        is_cancelled, trouble = await self._tried(account, batch_id)
        if trouble and not self._is_closing:
            await asyncio.sleep(LATER)
            is_cancelled, trouble = await self._tried(account, batch_id)
        self._events.emit(BatchOver(batch_id, is_cancelled, trouble))

    async def _tried(self, account: Account, batch_id: str) -> tuple[bool, str]:
        try:
            return await self._do_away(account, batch_id), ""
        except ApiError as error:
            return False, str(error)
        except Exception as error:
            return False, f"a bug, {place_of(error)}"

    async def _do_away(self, account: Account, batch_id: str) -> bool:
        """Stop a batch, delete its files; return whether it ran."""
        batch = await self._api.look(account, batch_id)
        is_running = batch.get("status") not in ENDED
        if is_running:
            await self._api.cancel(account, batch_id)
        for name in FILES if self._is_deleting else ():
            file_id = batch.get(name)
            if isinstance(file_id, str):
                await self._delete(account, file_id)
        return is_running

    async def _delete(self, account: Account, file_id: str) -> None:
        try:
            await self._api.delete_file(account, file_id)
        except ApiError as error:
            if error.response is None or error.response.status != 404:
                raise
