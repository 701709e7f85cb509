"""Runs of answers that can wait for a day: each line of a batch is bought once, whoever dies in between."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from openai_connector.observe.points import OF_BATCHES
from tests.engine.zeebe_client import ZeebeClient
from tests.faults.kept import PROCESS_ID, Figures, KeptRun
from tests.faults.ledger import OFF
from tests.faults.schedule import Arm
from tests.faults.stage import NO_SETTINGS
from tests.openai_stand_in.faults import Choose, by_seed, never
from tests.openai_stand_in.world import Pace

PER_JOB: Final = frozenset({"gathered", "batch_kept", "line_handed_out"})
"""Points that each job passes; the others, each batch."""
SETTINGS: Final = {
    "CONNECTOR_JOB_LEASE": "PT20S",
    "CONNECTOR_BATCH_PAUSE": "PT15S",
    "CONNECTOR_BATCH_LOOK": "PT3S",
    "CONNECTOR_FLEET": "faults",
    "CONNECTOR_LOG_LEVEL": "INFO",
}
FLOOD: Final = 32
"""Instances that are created at once."""
PACE: Final = Pace(validating=(0.1, 1), batch=(1, 5), finalizing=(0.1, 1), cancelling=(0.1, 1))


def arms(seed: int, kills: int, size: int) -> list[Arm]:
    """Return points at which workers kill themselves: all that a line passes, by turns."""
    dice = random.Random(f"day {seed}")
    labels = [OF_BATCHES[number % len(OF_BATCHES)] for number in range(kills)]
    # Of a line first what comes first: the last of them has jobs to hand out still.
    labels.sort(key=lambda label: (label == "line_handed_out", dice.random()))
    return [Arm(label, dice.randint(1, max(size // 4, 1)) if label in PER_JOB else 1) for label in labels]


class DayRun(KeptRun):
    """One run; all jobs come at once."""

    def __init__(
        self,
        home: Path,
        *,
        jobs: int,
        size: int,
        seed: int = 1,
        store: str = OFF,
        kills: Sequence[Arm] = (),
        engine_kills: int = 0,
        choose: Choose = never,
        workers: int = 3,
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> None:
        super().__init__(
            home,
            jobs=jobs,
            seed=seed,
            store=store,
            kills=kills,
            engine_kills=engine_kills,
            choose=choose,
            needed="day",
            workers=workers,
            slots=100,
            pace=PACE,
            settings={**SETTINGS, "CONNECTOR_BATCH_SIZE": str(size), **settings},
            at_once=jobs,
        )
        self._size = size

    async def _feed(self, zeebe: ZeebeClient) -> None:
        free = asyncio.Semaphore(FLOOD)

        async def one(number: int) -> None:
            question = f"Question {number}"
            async with free:
                key = await zeebe.create_instance(PROCESS_ID, {"question": question})
            self._created[key] = question

        await asyncio.gather(*map(one, range(self._jobs)))

    def _books(self) -> Figures:
        books: dict[str, Any] = super()._books()
        lines = Counter(purchase.buyer.custom_id for purchase in self.api.ledger)
        sizes = self.api.batches
        return {
            name: books[name]
            for name in (
                "jobs",
                "completed",
                "completed twice",
                "wrong",
                "purchases",
                "incidents",
                "complaints",
            )
        } | {
            "lines bought twice": sum(count > 1 for count in lines.values()),
            "jobs bought twice": len(self.api.ledger.duplicates()),
            "batches": len(sizes),
            "batches that are not full": sum(size < self._size for size in sizes),
            "their lines": sorted(size for size in sizes if size < self._size),
            "looks at batches": self.api.count("GET /v1/batches/{id}"),
            "lists of batches": self.api.count("GET /v1/batches"),
            "files read": self.api.count("GET /v1/files/{id}/content"),
            "files left at the API": self.api.files,
            "workers killed": books["workers killed"],
            "killed at": dict(self.lives),
            "engine killed": books["engine killed"],
        }


async def day(home: Path, store: str, jobs: int, *, seed: int = 1, kills: int = 20) -> Figures:
    """Kill workers wherever a line passes, while a tenth of the calls goes wrong at the API."""
    size = max(jobs // 5, 1)
    run = DayRun(
        home,
        jobs=jobs,
        size=size,
        seed=seed,
        store=store,
        kills=arms(seed, kills, size),
        choose=by_seed(seed, 0.1),
    )
    return await run.play()
