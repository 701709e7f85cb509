"""The lease of a job: while it runs, the engine gives the job to nobody else."""

from __future__ import annotations

import logging
from datetime import timedelta

from openai_connector.job import ConnectorJob, Failed
from openai_connector.zeebe.commands import Commands, Delivery

logger = logging.getLogger(__name__)

MARGIN = timedelta(seconds=30)
"""For the time since activation and for reporting the outcome; of a short lease, a tenth of it."""


async def secure(
    commands: Commands, job: ConnectorJob, needed: timedelta, lease: timedelta
) -> Failed | Delivery | None:
    """Prolong the lease once, before the work, when the work may take longer.

    Returns:
        None when the work may begin. Otherwise it must not: a `Failed` to report, or what became of the job.
    """
    margin = min(MARGIN, lease / 10)
    if needed + margin <= lease:
        return None
    duration = needed + margin
    delivery = await commands.prolong(job, duration)
    if delivery is Delivery.DONE:
        return None
    if delivery is Delivery.REFUSED:
        return Failed(
            f"This task may take {_seconds(needed)}, longer than the worker's lease of {_seconds(lease)}, and the "
            f"engine refused to prolong it. Set CONNECTOR_JOB_LEASE to at least {_seconds(duration)}, or give the "
            "task a shorter timeout, then resolve the incident.",
            retries=0,
        )
    logger.debug("Job %s is not begun: its lease could not be prolonged (%s)", job.key, delivery.value)
    return delivery


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} seconds"
