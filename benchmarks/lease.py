"""Measure what it costs to keep the leases of jobs: `python -m benchmarks.lease`.

A worker holds as many jobs as it has slots, on an engine in a process of its own, and does nothing but keep
them. Beside it stands the same worker with leases that need no prolongation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import timedelta
from typing import NamedTuple

from benchmarks.engine import SERVICE
from openai_connector.job import Completed, Job, Outcome
from openai_connector.observe.events import Events
from openai_connector.tools.demo.engine import Engine
from openai_connector.zeebe.channel import Connection, gateway, open_channel
from openai_connector.zeebe.commands import Commands, Delivery
from openai_connector.zeebe.lease import Leases
from openai_connector.zeebe.poller import Poller
from tests.engine.zeebe_client import ZeebeClient
from tests.make import WorkerOf

WANTED = 0.03
"""Of a core, at most, for 500 jobs."""
CREATED_AT_ONCE = 25


class Held(NamedTuple):
    """What it took to hold jobs for some time."""

    jobs: int
    commands: int
    core: float
    """The part of a core that the worker's process used."""
    most_a_second: int
    lost: int
    """Prolongations without the engine's acknowledgement."""


class Counted(Commands):
    """Commands that count the prolongations."""

    def begin(self) -> None:
        """Count from now on."""
        self.moments: list[float] = []
        self.lost = 0

    async def prolong(
        self, key: int, length: timedelta, deadline: timedelta = timedelta(seconds=10)
    ) -> Delivery:
        """Prolong a lease."""
        self.moments.append(time.monotonic())
        delivery = await super().prolong(key, length, deadline)
        self.lost += delivery is not Delivery.DONE
        return delivery


async def held(address: str, jobs: int, lease: timedelta, seconds: float) -> Held:
    """Hold jobs for some time, from half a lease after their begin on: all of them are prolonged then."""
    channel = open_channel(Connection(address))
    stub = gateway(channel)
    commands = Counted(stub)
    commands.begin()
    gate, all_begun = asyncio.Event(), asyncio.Event()

    async def wait(_: Job) -> Outcome:
        if poller.running == jobs:
            all_begun.set()
        await gate.wait()
        return Completed()

    poller = Poller(
        stub,
        commands,
        WorkerOf(wait),
        job_type="ask",
        worker_name="lease",
        max_jobs=jobs,
        lease=lease,
        leases=Leases(commands),
        events=Events(),
    )
    polling = asyncio.create_task(poller.run())
    await all_begun.wait()
    await asyncio.sleep(min(lease.total_seconds() / 2, 30))
    commands.begin()
    begin, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    core = (time.process_time() - cpu) / (time.monotonic() - begin)
    moments, lost = commands.moments, commands.lost
    gate.set()
    await poller.drain(timedelta(seconds=60))
    await polling
    await channel.close()
    a_second = [int(moment - begin) for moment in moments]
    most = max((a_second.count(second) for second in set(a_second)), default=0)
    return Held(jobs, len(moments), core, most, lost)


async def create(address: str, jobs: int) -> None:
    """Create instances, one job each."""
    async with ZeebeClient(address) as zeebe:
        await zeebe.deploy(SERVICE)
        for begin in range(0, jobs, CREATED_AT_ONCE):
            count = min(CREATED_AT_ONCE, jobs - begin)
            await asyncio.gather(*(zeebe.create_instance("ask", {"question": "?"}) for _ in range(count)))


async def measure(jobs: int, lease: timedelta, seconds: float) -> tuple[Held, Held]:
    """Return the figures without and with prolongations."""
    engine = Engine(records=False)
    await asyncio.to_thread(engine.start)
    try:
        await create(engine.address, jobs)
        still = await held(engine.address, jobs, timedelta(hours=10), seconds)
        await create(engine.address, jobs)
        return still, await held(engine.address, jobs, lease, seconds)
    finally:
        await asyncio.to_thread(engine.close)


def main() -> int:
    """Print the figures; 1 where keeping leases costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--lease", type=float, default=60, help="seconds")
    parser.add_argument("--seconds", type=float, default=60, help="of each measurement")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    still, kept = asyncio.run(measure(given.jobs, timedelta(seconds=given.lease), given.seconds))
    cost = kept.core - still.core
    if given.json:
        print(json.dumps({"still": still._asdict(), "kept": kept._asdict(), "cost": cost}))
    else:
        for name, figures in (("leases of 10 h", still), (f"leases of {given.lease:g} s", kept)):
            print(
                f"{name}: {figures.jobs} jobs, {figures.commands} prolongations in {given.seconds:g} s "
                f"(at most {figures.most_a_second} a second, {figures.lost} not acknowledged), "
                f"{figures.core:.2%} of a core"
            )
        print(f"Keeping leases costs {cost:.2%} of a core (wanted: at most {WANTED:.0%})")
    return 0 if cost <= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
