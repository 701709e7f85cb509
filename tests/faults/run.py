"""One run: jobs are fed, workers, engine, wires and API are struck by schedule, and the books are closed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import grpc.aio

from openai_connector.tools.demo.engine import Engine
from openai_connector.tools.demo.records import Records
from tests.diagrams import process, task
from tests.engine.zeebe_client import ZeebeClient
from tests.faults.fleet import SETTINGS, Fleet
from tests.faults.ledger import Ledger
from tests.faults.schedule import Choice, Schedule, Strike
from tests.faults.seller import Seller

WORKERS: Final = 3
BACKLOG: Final = 24
"""Jobs that are open at once, at most: every worker has some, and there are some left for later kills."""
FEW: Final = 8
"""Open jobs below which more are made even where kills are behind: an armed worker may wait for them."""
PATIENCE: Final = 120.0
"""Seconds without a job done after which the rest counts as stuck."""
PROCESS_ID: Final = "bought-once"
STORE: Final = "CONNECTOR_STORE"
OFF: Final = "off"
FOLDER: Final = "folder"
"""As a store: a folder of this run."""


def prompt_of(number: int) -> str:
    """Return what the job of this number asks."""
    return f"Question {number}"


def diagram() -> str:
    """Make a process of one chat task whose result can be checked."""
    asked = {"openai_operation": "chat", "openai_apiKey": "{{secrets.KEY}}", "openai_prompt": "=question"}
    headers = {"resultExpression": "={answer: output.text}", "retryBackoff": "PT1S"}
    return process(PROCESS_ID, task(values=asked, headers=headers))


class Run:
    """All parts of a run."""

    def __init__(self, plan: Schedule, home: Path, store: str = OFF) -> None:
        self.ledger = Ledger(plan.seed, store.split(":")[0], plan.jobs)
        self._plan = plan
        self._home = home
        self._engine = Engine(folder=home / "engine")
        self._records = Records(self._engine.log)
        self._seller = Seller(self._choose)
        self._fleet = Fleet(
            home, WORKERS, self._engine_place, self._api_place, plan.arms, _settings(store, home)
        )
        self._engine_turn = (
            asyncio.Lock()
        )  # nobody gives it a command while it is killed: its fate would be open
        self._created: dict[int, str] = {}
        self._resolved: set[int] = set()
        self._done = 0
        self._last_done = time.monotonic()
        self._background: set[asyncio.Task[None]] = set()

    async def play(self) -> Ledger:
        """Do it all."""
        begun = time.monotonic()
        await asyncio.to_thread(self._engine.start)
        try:
            async with self._seller, ZeebeClient(self._engine.address) as zeebe:
                await zeebe.deploy(diagram())
                async with self._fleet:
                    await self._until_done(zeebe)
                    self._fleet.stop_arming()
            self.ledger.seconds = time.monotonic() - begun
        finally:
            await asyncio.to_thread(self._engine.stop)
        self._close_books()
        return self.ledger

    async def _until_done(self, zeebe: ZeebeClient) -> None:
        helping = [
            asyncio.create_task(work) for work in (self._feed(zeebe), self._strike(), self._operate(zeebe))
        ]
        try:
            while self._done < self._plan.jobs and time.monotonic() - self._last_done < PATIENCE:
                for task_ in helping:
                    if task_.done():
                        task_.result()
                self._look()
                await asyncio.sleep(0.2)
        finally:
            for task_ in (*helping, *self._background):
                task_.cancel()
            await asyncio.gather(*helping, *self._background, return_exceptions=True)

    def _look(self) -> None:
        done = len(self._records.find("PROCESS_INSTANCE", "ELEMENT_COMPLETED", bpmnElementType="PROCESS"))
        if done > self._done:
            self._done, self._last_done = done, time.monotonic()

    async def _feed(self, zeebe: ZeebeClient) -> None:
        for number in range(self._plan.jobs):
            while not self._has_room(number):
                await asyncio.sleep(0.05)
            variables = {"question": prompt_of(number)}
            async with self._engine_turn:
                self._created[await zeebe.create_instance(PROCESS_ID, variables)] = prompt_of(number)

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
            self.ledger.strikes += strike.kind not in ("engine", "kill")

    async def _kill(self, slot: int) -> None:
        while not self._fleet.slots[slot].kill():
            await asyncio.sleep(0.05)

    async def _kill_engine(self, strike: Strike) -> None:
        async with self._engine_turn:
            await asyncio.to_thread(self._engine.kill)
            self.ledger.engine_kills += 1
            await asyncio.sleep(strike.seconds)
            if strike.slot is not None:
                await self._kill(strike.slot)
            await asyncio.to_thread(self._engine.start)

    async def _outage(self, seconds: float) -> None:
        self._seller.is_out = True
        await asyncio.sleep(seconds)
        self._seller.is_out = False

    def _meanwhile(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(work)
        self._background.add(running)
        running.add_done_callback(self._background.discard)

    async def _operate(self, zeebe: ZeebeClient) -> None:
        """Resolve incidents, as an operator would: each instance is to come to its end."""
        while True:
            await asyncio.sleep(0.5)
            for record in self._records.find("INCIDENT", "CREATED"):
                if record["key"] not in self._resolved:
                    async with self._engine_turn:
                        await _whatever_comes(
                            zeebe.resolve_incident(
                                record["key"], job_key=record["value"]["jobKey"], retries=3
                            )
                        )
                    self._resolved.add(record["key"])

    def _close_books(self) -> None:
        ledger = self.ledger
        ledger.count_engine(self._records, self._created)
        ledger.count_purchases(self._seller.calls, self._fleet.lives)
        ledger.ends = Counter(life.end for life in self._fleet.lives if life.end != "lived")
        ledger.kills = self._fleet.kills

    def _choose(self, prompt: str, nth: int) -> Choice:
        return self._plan.choice(int(prompt.rsplit(" ", 1)[1]), nth)

    def _engine_place(self) -> tuple[str, int]:
        host, _, port = self._engine.address.rpartition(":")
        return host, int(port)

    def _api_place(self) -> tuple[str, int]:
        return self._seller.place


async def _whatever_comes(command: Awaitable[None]) -> None:
    with suppress(grpc.aio.AioRpcError):  # a late completion came first
        await command


def _settings(store: str, home: Path) -> dict[str, str]:
    if store == OFF:
        return dict(SETTINGS)
    return SETTINGS | {STORE: str(home / "store") if store == FOLDER else store}


async def play(plan: Schedule, *, store: str = OFF, home: Path | None = None) -> Ledger:
    """Play a schedule and return its ledger; without a home its logs are removed."""
    if home is not None:
        await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
        return await Run(plan, home, store).play()
    with TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        return await Run(plan, Path(folder), store).play()
