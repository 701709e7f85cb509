"""Runs of answers that the API keeps: bought once, whatever dies, but for what is lost in the POST itself.

The API is the stand-in that tells the truth: each answer that it has made is a purchase. One that was never
handed out was lost in its POST: the worker was killed before it had kept the id, or the API broke off its reply.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc.aio

from openai_connector.observe.points import LABELS, OF_WAITING
from openai_connector.tools.demo.engine import Engine
from openai_connector.tools.demo.records import Records
from tests.diagrams import process, task
from tests.engine.zeebe_client import ZeebeClient
from tests.faults.fleet import SETTINGS, Fleet
from tests.faults.ledger import OFF
from tests.faults.schedule import Arm
from tests.faults.stage import FOLDER, NO_SETTINGS, STORE
from tests.openai_stand_in.answers import answer_to
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.faults import Choose, Way, by_seed, never
from tests.openai_stand_in.world import Pace

Figures = dict[str, Any]

PROCESS_ID: Final = "kept"
POST: Final = "POST /v1/responses"
BROKEN: Final = frozenset({"reset after", "cut", "hang after"})
"""Ways of the API by which nobody learns the id of what was bought."""
IN_POST: Final = frozenset({"before_send", "in_call", "response_begun", "killed"})
"""Ends of workers by which the same may happen; `killed`: from outside, at any time."""
AT_ONCE: Final = 24


def diagram(needed: str) -> str:
    """Make a process of one chat task whose answer is kept, and can be checked."""
    asked = {
        "openai_operation": "chat",
        "openai_apiKey": "{{secrets.KEY}}",
        "openai_model": "gpt-6-luna",
        "openai_prompt": "=question",
        "openai_answerNeeded": needed,
    }
    headers = {"resultExpression": "={answer: output.text}", "retryBackoff": "PT1S"}
    return process(PROCESS_ID, task(values=asked, headers=headers))


def arms(seed: int, kills: int) -> list[Arm]:
    """Return points at which workers kill themselves: all of them, by turns."""
    dice = random.Random(f"{seed}")
    labels = (*OF_WAITING, *LABELS)
    found = [Arm(labels[number % len(labels)], dice.randint(1, 4)) for number in range(kills)]
    dice.shuffle(found)
    return found


class KeptRun:
    """One run.

    Args:
        home: for data and logs.
        jobs: how many there are.
        seed: of what happens.
        store: `CONNECTOR_STORE` of the workers, or `OFF`, or `FOLDER`.
        kills: where workers kill themselves.
        engine_kills: how often the engine is killed.
        choose: what goes wrong at the API.
        needed: when the answers are needed.
        workers: at once.
        slots: of each.
        pace: of the API.
        settings: more environment variables of the workers.
        at_once: jobs that are open, at most.
    """

    diagram = staticmethod(diagram)

    def __init__(
        self,
        home: Path,
        *,
        jobs: int,
        seed: int = 1,
        store: str = OFF,
        kills: Sequence[Arm] = (),
        engine_kills: int = 0,
        choose: Choose = never,
        needed: str = "nowKept",
        workers: int = 3,
        slots: int = 8,
        pace: Pace | None = None,
        settings: Mapping[str, str] = NO_SETTINGS,
        at_once: int = AT_ONCE,
    ) -> None:
        self.engine = Engine(folder=home / "engine")
        self.records = Records(self.engine.log)
        pace = pace or Pace(work=(0.5, 4.0), queue=(0, 0.5))
        self.api = OpenAI(seed=seed, pace=pace, choose=choose)
        self._home, self._jobs, self._needed, self._store = home, jobs, needed, store
        self._kills, self._engine_kills = kills, engine_kills
        self._workers, self._slots = workers, slots
        self._settings, self._at_once = settings, at_once
        self._dice = random.Random(f"engine {seed}")
        self._created: dict[int, str] = {}
        self._turn = asyncio.Lock()
        self._resolved: set[int] = set()
        self.lives: Counter[str] = Counter()

    async def play(self) -> Figures:
        """Play it to its end, and return the books."""
        begun = time.monotonic()
        await asyncio.to_thread(self.engine.start)
        try:
            async with self.api, ZeebeClient(self.engine.address) as zeebe:
                await zeebe.deploy(self.diagram(self._needed))
                async with self._fleet() as fleet:
                    works = [
                        asyncio.create_task(work)
                        for work in (self._feed(zeebe), self._operate(zeebe), self._kill_engine())
                    ]
                    try:
                        await self._until_done(works, fleet)
                    finally:
                        for work in works:
                            work.cancel()
                        await asyncio.gather(*works, return_exceptions=True)
                self.lives = Counter(life.end for life in fleet.lives)
                return {**self._books(), "seconds": round(time.monotonic() - begun)}
        finally:
            await asyncio.to_thread(self.engine.stop)

    def _fleet(self) -> Fleet:
        place = str(self._home / "store") if self._store == FOLDER else self._store
        stored = {} if place == OFF else {STORE: place}
        room = {"CONNECTOR_MAX_JOBS": str(self._slots), "CONNECTOR_KEPT_WAIT": "PT2S"}
        api = {"OPENAI_BASE_URL": self.api.base_url, "HTTP_PROXY": ""}

        def engine() -> tuple[str, int]:
            host, _, port = self.engine.address.rpartition(":")
            return host, int(port)

        return Fleet(
            self._home,
            self._workers,
            engine,
            lambda: ("127.0.0.1", 1),
            self._kills,
            {**SETTINGS, **room, **stored, **api, **self._settings},
        )

    @property
    def done(self) -> int:
        """How many instances have ended."""
        return len(self._ended())

    def _ended(self) -> Counter[int]:
        found = self.records.find("PROCESS_INSTANCE", "ELEMENT_COMPLETED", bpmnElementType="PROCESS")
        return Counter(record["key"] for record in found)

    async def _until_done(self, works: Sequence[asyncio.Task[None]], fleet: Fleet) -> None:
        done, since = 0, time.monotonic()
        while done < self._jobs and time.monotonic() - since < 120:
            for work in works:
                if work.done():
                    work.result()
            if (now := self.done) > done:
                done, since = now, time.monotonic()
            await asyncio.sleep(0.2)
        fleet.stop_arming()

    async def _feed(self, zeebe: ZeebeClient) -> None:
        for number in range(self._jobs):
            while number - self.done >= self._at_once:
                await asyncio.sleep(0.1)
            question = f"Question {number}"
            async with self._turn:
                key = await zeebe.create_instance(PROCESS_ID, {"question": question})
            self._created[key] = question

    async def _operate(self, zeebe: ZeebeClient) -> None:
        """Resolve incidents, as an operator would."""
        while True:
            await asyncio.sleep(0.5)
            for record in self.records.find("INCIDENT", "CREATED"):
                if record["key"] not in self._resolved:
                    async with self._turn:
                        with suppress(grpc.aio.AioRpcError):
                            job_key = record["value"]["jobKey"]
                            await zeebe.resolve_incident(record["key"], job_key=job_key, retries=3)
                    self._resolved.add(record["key"])

    async def _kill_engine(self) -> None:
        for number in range(self._engine_kills):
            while self.done < self._jobs * (number + 1) / (self._engine_kills + 2):
                await asyncio.sleep(0.1)
            async with self._turn:
                await asyncio.to_thread(self.engine.kill)
                await asyncio.sleep(self._dice.uniform(0.5, 3))
                await asyncio.to_thread(self.engine.start)

    def _books(self) -> Figures:
        by_prompt = self.api.ledger.by(lambda purchase: purchase.prompt)
        purchases = [purchase for group in by_prompt.values() for purchase in group]
        ended = self._ended()
        jobs = Counter(record["key"] for record in self.records.find("JOB", "COMPLETED"))
        results = {
            record["value"]["processInstanceKey"]: json.loads(record["value"]["value"])
            for record in self.records.find("VARIABLE", name="answer")
        }
        broken = sum(call.endpoint == POST and call.way in BROKEN for call in self.api.calls)
        return {
            "jobs": self._jobs,
            "completed": len(ended),
            "completed twice": sum(count > 1 for count in (*ended.values(), *jobs.values())),
            "wrong": sum(results.get(key) != answer_to(prompt) for key, prompt in self._created.items()),
            "purchases": len(purchases),
            "jobs of which more than one purchase was handed out": sum(
                sum(bool(purchase.handed_out) for purchase in group) > 1 for group in by_prompt.values()
            ),
            "lost in the POST": sum(not purchase.handed_out for purchase in purchases),
            "POSTs that the API broke": broken,
            "workers killed in or about a POST": sum(self.lives[label] for label in IN_POST),
            "workers killed": sum(n for end, n in self.lives.items() if end not in ("lived", "ended")),
            "engine killed": self._engine_kills,
            "incidents": len(self.records.find("INCIDENT", "CREATED")),
            "GETs": self.api.count("GET /v1/responses/{id}"),
            "responses left at the API": self.api.kept,
            "complaints": len(self.api.complaints),
        }


async def kept(
    home: Path, store: str, jobs: int, *, seed: int = 1, kills: int = 0, engine_kills: int = 0
) -> Figures:
    """Kill workers at every labelled point and the engine, while the API misbehaves in a fifth of the calls."""
    run = KeptRun(
        home,
        jobs=jobs,
        seed=seed,
        store=store,
        kills=arms(seed, kills or max(jobs // 10, len(LABELS) + len(OF_WAITING))),
        engine_kills=engine_kills or max(jobs // 100, 1),
        choose=by_seed(seed, 0.2),
    )
    return await run.play()


def lost_post(call: Any) -> Way:
    """Break off the reply to the first POST of each question, after it was bought."""
    return Way("reset after") if call.endpoint == POST and call.nth == 1 else Way()
