"""One run: jobs are fed, workers, engine, wires and API are struck by schedule, and the books are closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc.aio

from tests.faults.ledger import OFF, Ledger
from tests.faults.schedule import Schedule, Strike
from tests.faults.stage import Stage

WORKERS: Final = 3
BACKLOG: Final = 24
"""Jobs that are open at once, at most: every worker has some, and there are some left for later kills."""
FEW: Final = 8
"""Open jobs below which more are made even where kills are behind: an armed worker may wait for them."""
PATIENCE: Final = 120.0
"""Seconds without a job done after which the rest counts as stuck."""


class Run:
    """One schedule on its stage."""

    def __init__(self, plan: Schedule, home: Path, store: str = OFF) -> None:
        self._ledger = Ledger(plan.seed, store.split(":")[0], plan.jobs)
        self._plan = plan
        self._stage = Stage(home, plan.choice, workers=WORKERS, store=store, arms=plan.arms)
        self._fleet = self._stage.fleet
        self._resolved: set[int] = set()
        self._done = 0
        self._last_done = time.monotonic()
        self._background: set[asyncio.Task[None]] = set()

    async def play(self) -> Ledger:
        """Play it to its end and return the books."""
        begun = time.monotonic()
        async with self._stage:
            await self._until_done()
            self._fleet.stop_arming()
        self._ledger.seconds = time.monotonic() - begun
        self._stage.close_books(self._ledger)
        return self._ledger

    async def _until_done(self) -> None:
        works = [asyncio.create_task(work) for work in (self._feed(), self._strike(), self._operate())]
        try:
            while self._done < self._plan.jobs and time.monotonic() - self._last_done < PATIENCE:
                for work in works:
                    if work.done():
                        work.result()
                if (done := self._stage.done()) > self._done:
                    self._done, self._last_done = done, time.monotonic()
                await asyncio.sleep(0.2)
        finally:
            for work in (*works, *self._background):
                work.cancel()
            await asyncio.gather(*works, *self._background, return_exceptions=True)

    async def _feed(self) -> None:
        for number in range(self._plan.jobs):
            while not self._has_room(number):
                await asyncio.sleep(0.05)
            await self._stage.begin(number)

    def _has_room(self, number: int) -> bool:
        kills = self._plan.kills
        paced = BACKLOG + (self._plan.jobs * self._fleet.kills / kills if kills else self._plan.jobs)
        open_jobs = number - self._done
        return open_jobs < FEW or (open_jobs < BACKLOG and number < paced)

    async def _strike(self) -> None:
        for strike in self._plan.strikes:
            while self._done < strike.at:
                await asyncio.sleep(0.05)
            match strike.kind:
                case "engine":
                    await self._kill_engine(strike)
                case "kill":
                    await self._kill(strike.slot or 0)
                case "outage":
                    self._meanwhile(self._outage(strike.seconds))
                case "freeze":
                    self._meanwhile(self._fleet.slots[strike.slot or 0].freeze(strike.seconds))
                case side:
                    link = self._fleet.slots[strike.slot or 0].links[side]
                    self._meanwhile(link.strike(strike.mode, strike.seconds))
            self._ledger.strikes += strike.kind not in ("engine", "kill")

    async def _kill(self, slot: int) -> None:
        while not self._fleet.slots[slot].kill():
            await asyncio.sleep(0.05)

    async def _kill_engine(self, strike: Strike) -> None:
        async with self._stage.turn:
            await asyncio.to_thread(self._stage.engine.kill)
            self._ledger.engine_kills += 1
            await asyncio.sleep(strike.seconds)
            if strike.slot is not None:
                await self._kill(strike.slot)
            await asyncio.to_thread(self._stage.engine.start)

    async def _outage(self, seconds: float) -> None:
        self._stage.seller.outage = "503"
        await asyncio.sleep(seconds)
        self._stage.seller.outage = ""

    def _meanwhile(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(work)
        self._background.add(running)
        running.add_done_callback(self._background.discard)

    async def _operate(self) -> None:
        """Resolve incidents, as an operator would: each instance is to come to its end."""
        zeebe, records = self._stage.zeebe, self._stage.records
        while True:
            await asyncio.sleep(0.5)
            for record in records.find("INCIDENT", "CREATED"):
                key, job_key = record["key"], record["value"]["jobKey"]
                if key not in self._resolved:
                    async with self._stage.turn:
                        await _whatever_comes(zeebe.resolve_incident(key, job_key=job_key, retries=3))
                    self._resolved.add(key)


async def _whatever_comes(command: Awaitable[None]) -> None:
    with suppress(grpc.aio.AioRpcError):  # a late completion came first
        await command


async def play(plan: Schedule, home: Path, *, store: str = OFF) -> Ledger:
    """Play a schedule in an empty folder, which keeps all logs, and return its ledger."""
    return await Run(plan, home, store).play()
