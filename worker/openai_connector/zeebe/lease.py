"""The lease of a job: while it runs, the engine gives the job to nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from openai_connector.job import Job
from openai_connector.zeebe.commands import Commands, Delivery

MARGIN = timedelta(seconds=30)
"""For the time since activation and for reporting the outcome; of a short lease, a tenth of it."""


class Covered(NamedTuple):
    """Whether a lease covers the work."""

    delivery: Delivery
    """DONE: the work may begin. REFUSED: the engine does not prolong leases. Else the job is not to be
    begun."""
    lease: timedelta
    """The lease that the work needs."""


async def cover(commands: Commands, job: Job, needed: timedelta, lease: timedelta) -> Covered:
    """Prolong the lease once, before the work, when the work may take longer."""
    wanted = needed + min(MARGIN, lease / 10)
    if wanted <= lease:
        return Covered(Delivery.DONE, lease)
    return Covered(await commands.prolong(job, wanted), wanted)
