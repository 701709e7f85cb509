"""What the contenders pay when things go wrong.

The API counts the calls, the engine the retries and the incidents.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pyzeebe.proto import gateway_pb2 as pb

from benchmarks.bench import GRACE, Bench, BenchmarkError, Worker
from benchmarks.peers.contenders import FAILING, OURS, Contender, with_store
from openai_connector.tools.demo.records import Record, Records

ANSWER_TAKES: Final = 0.2
REFUSED_FOR: Final = 10.0
"""Seconds in which each call gets a 429."""
RETRIES: Final = 3
CASES: Final = 20
KILLS: Final = 10
KILLED_CASES: Final = 400
KILLED_SLOTS: Final = 32
"""The same for all: what a kill costs at least is what is in flight."""
LEASES_END: Final = timedelta(minutes=6)
PATIENCE: Final = 180.0
"""Seconds for a part, and the worker has no more to do."""
NO_CONTEXT: Final = "=response.body.choices[1].message.content"
"""A result expression that gives a string, where a context is needed."""
RESULT_EXPRESSION: Final = "openai_resultExpression"
RIGHT: Final = "={answer: response.body.choices[1].message.content}"


@dataclass(frozen=True, slots=True)
class Refused:
    """What became of jobs whose calls were refused for a while."""

    worker: str
    jobs: int
    calls: int
    retries_lost: int
    """Of all jobs together; each had three."""
    incidents: int
    seconds: float
    """Until the last job was done, or an incident."""


@dataclass(frozen=True, slots=True)
class Unmapped:
    """What became of jobs whose answer was not as expected."""

    worker: str
    jobs: int
    calls: int
    """Until each job was an incident."""
    calls_after_mending: int
    """When someone had mended the mistake and resolved the incidents, in all."""


@dataclass(frozen=True, slots=True)
class Killed:
    """What became of jobs whose worker was killed ten times."""

    worker: str
    jobs: int
    kills: int
    in_flight: int
    """Calls that were under way at the kills, in all: no worker can have their answers."""
    calls: int


Paid = Refused | Unmapped | Killed


class Payments:
    """Lets the contenders pay, on an engine that writes records."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._records = Records(bench.engine.log)

    async def refused(self, contender: Contender) -> Refused:
        """Refuse all calls for ten seconds."""
        name = await self._backlog({"resultVariable": "answer"}, CASES, refuse=REFUSED_FOR)
        began = time.monotonic()
        await self._work(contender.worker, name, CASES)
        seconds = time.monotonic() - began
        left: dict[int, int] = {}
        for failed in self._records.find("JOB", "FAILED", type=name):
            left[failed["key"]] = min(left.get(failed["key"], RETRIES), failed["value"]["retries"])
        lost = sum(RETRIES - retries for retries in left.values())
        return Refused(contender.name, CASES, await self._calls(), lost, len(self._incidents(name)), seconds)

    async def unmapped(self, contender: Contender) -> Unmapped:
        """Let the use of each answer fail; then mend it, and resolve the incidents."""
        is_ours = contender.name == OURS
        headers = {"resultExpression": NO_CONTEXT} if is_ours else {"resultVariable": "answer"}
        name = await self._backlog(headers, CASES)
        await self._work(contender.with_settings(**({} if is_ours else FAILING)), name, CASES)
        calls = await self._calls()
        for incident in self._incidents(name):
            await self._resolve(incident, {RESULT_EXPRESSION: RIGHT} if is_ours else {})
        await self._work(contender.worker, name, CASES, is_mended=True)
        return Unmapped(contender.name, CASES, calls, await self._calls())

    async def killed(self, contender: Contender, seed: int = 1) -> Killed:
        """Kill the worker ten times in its work, and let it come to an end."""
        bench, moments = self._bench, random.Random(seed)
        name = await self._backlog({"resultVariable": "answer"}, KILLED_CASES, delay=1.0)
        child = bench.child(contender.worker, name, KILLED_SLOTS)
        lost = kills = 0
        while kills < KILLS and self._done(name) < KILLED_CASES:
            before = (await bench.api.stats())["asked"]
            child.start()
            try:
                await self._until_asked(before)
                await asyncio.sleep(moments.uniform(0.2, 1.5))
                lost += (await bench.api.stats())["in_flight"]
            finally:
                await asyncio.to_thread(child.kill)
            kills += 1
            await asyncio.sleep(1.2)  # until the API has answered the calls that nobody waits for
            await asyncio.to_thread(bench.engine.advance, LEASES_END)
        await self._work(contender.worker, name, KILLED_CASES, slots=KILLED_SLOTS)
        return Killed(contender.name, KILLED_CASES, kills, lost, await self._calls())

    async def _until_asked(self, before: int) -> None:
        limit = time.monotonic() + PATIENCE
        while (await self._bench.api.stats())["asked"] == before:
            if time.monotonic() > limit:
                raise BenchmarkError("no call reaches the API")
            await asyncio.sleep(0.05)

    async def _backlog(
        self, headers: Mapping[str, str], cases: int, *, delay: float = ANSWER_TAKES, refuse: float = 0.0
    ) -> str:
        name = await self._bench.deploy(headers)
        await self._bench.api.reset(delay, refuse=refuse)
        await self._bench.create(name, range(cases))
        return name

    async def _work(
        self, worker: Worker, name: str, cases: int, *, slots: int | None = None, is_mended: bool = False
    ) -> None:
        """Let a worker work until each case is done, or an incident where nothing is mended yet."""
        child = self._bench.child(worker, name, slots)
        child.start()
        limit = time.monotonic() + PATIENCE
        try:
            while self._done(name) + (0 if is_mended else len(self._incidents(name))) < cases:
                await asyncio.sleep(0.1)
                if time.monotonic() > limit or not child.running:
                    raise BenchmarkError(f"the {worker.name} comes to no end:\n{child.last_lines(15)}")
        finally:
            await asyncio.to_thread(child.terminate, GRACE)

    async def _calls(self) -> int:
        return sum((await self._bench.api.calls()).values())

    def _done(self, name: str) -> int:
        kind = {"bpmnProcessId": name, "bpmnElementType": "PROCESS"}
        return len(self._records.find("PROCESS_INSTANCE", "ELEMENT_COMPLETED", **kind))

    def _incidents(self, name: str) -> list[Record]:
        return self._records.find("INCIDENT", "CREATED", bpmnProcessId=name)

    async def _resolve(self, incident: Record, variables: Mapping[str, str]) -> None:
        """Resolve an incident as an operator does, who first sets variables at the task."""
        about, stub = incident["value"], self._bench.stub
        if variables:
            scope = about["elementInstanceKey"]
            await stub.SetVariables(
                pb.SetVariablesRequest(elementInstanceKey=scope, variables=json.dumps(variables), local=True)
            )
        await stub.UpdateJobRetries(pb.UpdateJobRetriesRequest(jobKey=about["jobKey"], retries=RETRIES))
        await stub.ResolveIncident(pb.ResolveIncidentRequest(incidentKey=incident["key"]))


async def measure(
    bench: Bench, contenders: Sequence[Contender], folder: Path, note: Callable[[str], None]
) -> list[Paid]:
    """Let all pay, one after the other; a contender that comes to no end has no row."""
    payments, paid = Payments(bench), list[Paid]()
    for one in contenders:
        if not one.is_complete:
            continue
        parts: list[Coroutine[Any, Any, Paid]] = [
            payments.refused(one),
            payments.unmapped(one),
            payments.killed(one),
        ]
        if one.name == OURS:
            parts.append(payments.killed(with_store(one, folder / "store")))
        for part in parts:
            try:
                paid.append(await part)
            except BenchmarkError as error:
                note(f"  {one.name}: {error}")
            else:
                note(f"  {paid[-1]}")
    return paid
