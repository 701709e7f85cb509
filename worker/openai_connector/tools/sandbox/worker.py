"""A worker of this connector in the same process as the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import TYPE_CHECKING

from openai_connector.contract import CAMUNDA_HTTP_JOB_TYPE

if TYPE_CHECKING:
    from openai_connector.settings import Settings

NOBODYS_JOB_TYPE = "nobody:0"
"""The worker's job type if its own one is answered by somebody else."""


class Worker:
    """Works on jobs until it is stopped; made, started and stopped inside the event loop."""

    def __init__(self, settings: Settings) -> None:
        """Describe a worker; nothing is started yet."""
        self._settings = settings
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to work."""
        from openai_connector.service import work

        self._task = asyncio.create_task(work(self._settings, self._stopping))

    @property
    def ended(self) -> asyncio.Task[None]:
        """The work itself, to wait for: it ends by itself only because of a bug."""
        assert self._task is not None
        return self._task

    async def stop(self) -> None:
        """Take no more jobs, finish the current ones within the drain timeout, and give back the rest."""
        self._stopping.set()
        if self._task is not None:
            # Whoever waits for `ended` has seen its error.
            await asyncio.gather(self._task, return_exceptions=True)


def job_types_of(settings: Settings) -> set[str]:
    """Return the job types that a worker of these settings serves."""
    return {settings.job_type, CAMUNDA_HTTP_JOB_TYPE} if settings.drop_in else {settings.job_type}


def without(settings: Settings, answered: Set[str]) -> Settings:
    """Return settings with which the worker does not take these job types."""
    changes: dict[str, object] = {}
    if settings.job_type in answered:
        changes["job_type"] = NOBODYS_JOB_TYPE
    if CAMUNDA_HTTP_JOB_TYPE in answered:
        changes["drop_in"] = False
    return settings.model_copy(update=changes)
