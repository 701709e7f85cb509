"""Worker processes that are killed, frozen and started again, each on wires of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from openai_connector.observe.points import KILLED_AT, VARIABLE
from tests.engine.worker import Worker
from tests.faults.link import Link
from tests.faults.schedule import Arm
from tests.faults.seller import KEY

Place = Callable[[], tuple[str, int]]

SETTINGS: Final = {
    "CONNECTOR_JOB_LEASE": "PT5S",
    "CONNECTOR_REQUEST_TIMEOUT": "PT10S",
    "CONNECTOR_MAX_JOBS": "8",
    "CONNECTOR_LOG_FORMAT": "json",
    "OPENAI_BASE_URL": "http://api.test/v1",
    "NO_PROXY": "127.0.0.1",
}
"""A short lease, so that the jobs of a killed worker come back soon; few slots, so that every worker has jobs.

All ask the same address, each by a wire of its own, its proxy: who asks must make no difference to a request.
"""


@dataclass(slots=True)
class Life:
    """One worker process from its start to its end."""

    number: int
    slot: int
    log: Path
    end: str = "lived"
    """`killed`, the label of the point at which it killed itself, `ended` by itself, or `lived` until the end of the run."""
    was_killed: bool = False
    """From outside."""

    @property
    def is_killed(self) -> bool:
        """Whether it was killed, in whatever way."""
        return self.end not in ("lived", "ended")


class Slot:
    """A place in the fleet: one worker at a time."""

    def __init__(self, number: int, engine: Link, api: Link) -> None:
        self.number = number
        self.links: Mapping[str, Link] = {"engine link": engine, "api link": api}
        self.worker: Worker | None = None
        self.life: Life | None = None

    def kill(self) -> bool:
        """Kill the worker; False: there was none."""
        if self.life is None or not self._signal(signal.SIGKILL):
            return False
        self.life.was_killed = True
        return True

    async def freeze(self, seconds: float) -> None:
        """Stop the process for a while; whoever is killed in the meantime stays so."""
        worker = self.worker
        if self._signal(signal.SIGSTOP):
            await asyncio.sleep(seconds)
            if worker is self.worker:
                self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> bool:
        if self.worker is None or self.worker.exit_code is not None:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.worker.pid, number)
            return True
        return False


class Fleet:
    """Several workers of one job type; who ends is followed by the next.

    Args:
        home: for the logs.
        workers: how many there are at once.
        engine, api: where the wires lead.
        arms: where workers kill themselves, one after the other.
        settings: more environment variables.
    """

    def __init__(
        self,
        home: Path,
        workers: int,
        engine: Place,
        api: Place,
        arms: Sequence[Arm],
        settings: Mapping[str, str],
    ) -> None:
        self.lives: list[Life] = []
        self.slots: list[Slot] = []
        self._home = home
        self._workers = workers
        self._places = engine, api
        self._arms = deque(arms)
        self._settings = dict(settings)
        self._stack = AsyncExitStack()
        self._is_closing = False

    @property
    def kills(self) -> int:
        """How many workers were killed so far."""
        return sum(life.is_killed for life in self.lives)

    def stop_arming(self) -> None:
        """Start the workers from now on without points at which they kill themselves."""
        self._arms.clear()

    async def _live(self, slot: Slot) -> None:
        while not self._is_closing:
            arm = self._arms.popleft() if self._arms else None
            number = len(self.lives)
            life = Life(number, slot.number, self._home / f"worker-{slot.number}-{number}.log")
            self.lives.append(life)
            worker = self._worker(slot, life, arm)
            await asyncio.to_thread(worker.start)
            slot.worker, slot.life = worker, life
            while worker.exit_code is None and not self._is_closing:
                await asyncio.sleep(0.05)
            await asyncio.to_thread(worker.close)
            slot.worker = None
            life.end = _end(life, arm, is_closing=self._is_closing)
            if arm is not None and life.end != arm.label:
                self._arms.appendleft(arm)

    def _worker(self, slot: Slot, life: Life, arm: Arm | None) -> Worker:
        settings = {
            "HTTP_PROXY": f"http://{slot.links['api link'].address}",
            "SECRET_KEY": f"{KEY}{life.number}",
            **self._settings,
        }
        if arm is not None:
            settings[VARIABLE] = f"{arm.label}:{arm.times}"
        return Worker(slot.links["engine link"].address, life.log, settings)

    async def __aenter__(self) -> Self:
        for number in range(self._workers):
            engine, api = [await self._stack.enter_async_context(Link(place)) for place in self._places]
            self.slots.append(Slot(number, engine, api))
        self._tasks = [asyncio.create_task(self._live(slot)) for slot in self.slots]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closing = True
        await asyncio.gather(*self._tasks)
        await self._stack.aclose()


def _end(life: Life, arm: Arm | None, *, is_closing: bool) -> str:
    if arm is not None and f"{KILLED_AT} {arm.label}" in life.log.read_text("utf-8", "replace"):
        return arm.label
    if life.was_killed:
        return "killed"
    return "lived" if is_closing else "ended"
