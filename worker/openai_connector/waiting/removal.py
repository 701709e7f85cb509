"""Cancels and deletes responses that nobody needs any more, beside the work."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from openai_connector.calls import Api
from openai_connector.job import Job
from openai_connector.observe.events import CallAbandoned, Events, NotRemoved
from openai_connector.observe.points import reached
from openai_connector.openai_api import ApiError, ApiResponse
from openai_connector.redaction import place_of
from openai_connector.waiting.response_api import FINAL, Target

log = logging.getLogger(__name__)

AT_ONCE: Final = 8
TIMEOUT: Final = timedelta(seconds=10)
LATER: Final = 60.0
"""Seconds until what has failed is tried once more."""
MOST: Final = 50_000
MOST_LATER: Final = 1000


@dataclass(frozen=True, slots=True)
class Leftover:
    """A response that is not needed any more."""

    job: Job
    id: str
    target: Target = field(repr=False)
    is_cancelled: bool
    """It may still be worked on: cancel it first."""
    is_last_try: bool = False


class Removal:
    """Takes leftovers, some at a time.

    Args:
        api: sends requests.
        events: are told of what was cancelled, and of what cannot be removed.
        is_deleting: delete responses; else they are only cancelled.
    """

    def __init__(self, api: Api, events: Events, *, is_deleting: bool) -> None:
        self._api = api
        self._events = events
        self._is_deleting = is_deleting
        self._left: deque[Leftover] = deque()
        self._later: deque[asyncio.TimerHandle] = deque(maxlen=MOST_LATER)
        self._workers: set[asyncio.Task[None]] = set()

    def take(self, leftover: Leftover) -> None:
        """Remove it soon; returns at once."""
        if not (self._is_deleting or leftover.is_cancelled) or len(self._left) >= MOST:
            return
        self._left.append(leftover)
        if len(self._workers) < AT_ONCE:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def aclose(self, seconds: float) -> None:
        """Wait a little for what is under way, then leave the rest."""
        for timer in self._later:
            timer.cancel()
        if self._workers:
            await asyncio.wait(self._workers, timeout=seconds)
        for worker in self._workers:
            worker.cancel()
        if self._left:
            log.warning("%d responses were left at the API: the worker stops", len(self._left))

    async def _work(self) -> None:
        while self._left:
            leftover = self._left.popleft()
            try:
                reason = await self._remove(leftover)
            except Exception as error:
                reason = f"a bug, {place_of(error)}"
            if reason:
                self._again(leftover, reason)

    def _again(self, leftover: Leftover, reason: str) -> None:
        is_again = not leftover.is_last_try
        self._events.emit(NotRemoved(leftover.job, leftover.id, reason, is_again))
        if is_again:
            loop = asyncio.get_running_loop()
            self._later.append(loop.call_later(LATER, self.take, replace(leftover, is_last_try=True)))

    async def _remove(self, leftover: Leftover) -> str:
        """Remove a response; return why it could not be done."""
        if leftover.is_cancelled:
            reason = await self._cancel(leftover)
            if reason:
                return reason
        if not self._is_deleting:
            return ""
        reached("before_delete")
        response, reason = await self._send("DELETE", leftover, "")
        return "" if response is not None and response.status == 404 else reason

    async def _cancel(self, leftover: Leftover) -> str:
        response, reason = await self._send("POST", leftover, "/cancel")
        body = None if response is None else response.body
        status = body.get("status") if isinstance(body, Mapping) else None
        if status == "cancelled" or (status not in FINAL and not reason):
            self._events.emit(CallAbandoned(leftover.job, leftover.id))
        # Any 4xx: it is over already, gone, or was not asked in the background.
        return "" if response is not None and response.status < 500 and response.status != 429 else reason

    async def _send(self, method: str, leftover: Leftover, more: str) -> tuple[ApiResponse | None, str]:
        """Return the response, and what is wrong with it."""
        headers: dict[str, str] = dict(leftover.target.headers)
        url = leftover.target.address(leftover.id, more)
        try:
            response = await self._api.send(method, url, body=None, headers=headers, timeout=TIMEOUT)
        except ApiError as error:
            return None, str(error)
        return response, f"status {response.status}" if response.status >= 400 else ""
