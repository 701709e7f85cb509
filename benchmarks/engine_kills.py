"""SIGKILL the engine again and again under load.

Nothing acknowledged may be lost, nothing completed twice.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from openai_connector.tools.demo.engine import Engine

LEASE_MS = 1000
QUIET = 1.5
"""Seconds without a job after which none is under a lease any more."""
PATIENCE = 120.0
"""Seconds for the rest of the work after the last kill."""
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
"""What a call to a killed engine ends with: it is sent again."""
DIAGRAM = b"""<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="benchmark">
  <bpmn:process id="kills" isExecutable="true">
    <bpmn:startEvent id="start"/><bpmn:sequenceFlow id="in" sourceRef="start" targetRef="task"/>
    <bpmn:serviceTask id="task"><bpmn:extensionElements>
      <zeebe:taskDefinition type="kills"/>
      <zeebe:ioMapping><zeebe:input source="=number" target="own"/></zeebe:ioMapping>
    </bpmn:extensionElements></bpmn:serviceTask>
    <bpmn:sequenceFlow id="out" sourceRef="task" targetRef="end"/><bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"""


@dataclass(slots=True)
class Ledger:
    """What was acknowledged, by key of the process instance."""

    created: list[int] = field(default_factory=list)
    answers_lost: int = 0
    """Creations whose answer did not come: their instances may be there too."""
    completed: Counter[int] = field(default_factory=Counter)
    gone: set[int] = field(default_factory=set)
    """Completions that were sent again and met NOT_FOUND: the first one counted, its answer was lost."""
    executed: Counter[int] = field(default_factory=Counter)
    left: dict[str, int] = field(default_factory=dict)
    """Rows of the data base at the end."""
    integrity: str = ""

    @property
    def lost(self) -> int:
        """Instances that were acknowledged and never done."""
        return sum(1 for key in self.created if not self.completed[key] and key not in self.gone)

    @property
    def twice(self) -> int:
        """Instances whose job was acknowledged as completed more than once."""
        return sum(1 for count in self.completed.values() if count > 1)


class _Run:
    """One run: a creator, a worker, and somebody who kills."""

    def __init__(self, engine: Engine, stub: Any, seed: int, instances: int, kills: int) -> None:
        self.ledger = Ledger()
        self._engine = engine
        self._stub = stub
        self._random = random.Random(seed)
        self._instances = instances
        self._kills = kills
        self._jobs: set[asyncio.Task[None]] = set()
        self._last_job = time.monotonic()

    async def play(self) -> None:
        resource = pb.Resource(name="kills.bpmn", content=DIAGRAM)
        await self._again(
            lambda: self._stub.DeployResource(pb.DeployResourceRequest(resources=[resource]), timeout=5)
        )
        working = asyncio.create_task(self._work())
        await asyncio.gather(self._create(), self._kill())
        end = time.monotonic() + PATIENCE
        while not self._is_over() and time.monotonic() < end:  # noqa: ASYNC110 - nothing here says when
            await asyncio.sleep(0.1)
        working.cancel()

    def _is_over(self) -> bool:
        return not self.ledger.lost and not self._jobs and time.monotonic() - self._last_job > QUIET

    async def _again(self, call: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() not in AWAY:
                    raise
                await asyncio.sleep(0.02)

    async def _create(self) -> None:
        for number in range(self._instances):
            request = pb.CreateProcessInstanceRequest(
                bpmnProcessId="kills", version=-1, variables=json.dumps({"number": number})
            )
            while True:
                try:
                    answer = await self._stub.CreateProcessInstance(request, timeout=5, wait_for_ready=True)
                    break
                except grpc.aio.AioRpcError:
                    self.ledger.answers_lost += 1
                    await asyncio.sleep(0.02)
            self.ledger.created.append(int(answer.processInstanceKey))

    async def _work(self) -> None:
        request = pb.ActivateJobsRequest(
            type="kills", worker="w", timeout=LEASE_MS, maxJobsToActivate=50, requestTimeout=1000
        )
        while True:
            try:
                async for answer in self._stub.ActivateJobs(request, timeout=5, wait_for_ready=True):
                    for job in answer.jobs:
                        self._last_job = time.monotonic()
                        task = asyncio.create_task(self._complete(job))
                        self._jobs.add(task)
                        task.add_done_callback(self._jobs.discard)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.02)

    async def _complete(self, job: Any) -> None:
        key = int(job.processInstanceKey)
        self.ledger.executed[key] += 1
        await asyncio.sleep(self._random.random() * 0.1)
        request = pb.CompleteJobRequest(jobKey=job.key, variables='{"answer":1}')
        try:
            await self._again(lambda: self._stub.CompleteJob(request, timeout=5, wait_for_ready=True))
            self.ledger.completed[key] += 1
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            self.ledger.gone.add(key)

    async def _kill(self) -> None:
        for _ in range(self._kills):
            await asyncio.sleep(self._random.uniform(0.15, 0.4))
            await asyncio.to_thread(self._engine.kill)
            await asyncio.to_thread(self._engine.start)


async def run(seed: int, *, instances: int, kills: int) -> Ledger:
    """Run instances while the engine is killed, and return the ledger."""
    with TemporaryDirectory(prefix="engine-kills-") as folder:
        engine = Engine(folder=Path(folder), records=False)
        await asyncio.to_thread(engine.start)
        options = [("grpc.enable_http_proxy", 0), ("grpc.initial_reconnect_backoff_ms", 50)]
        options += [("grpc.min_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
        try:
            async with grpc.aio.insecure_channel(engine.address, options=options) as channel:
                played = _Run(engine, GatewayStub(channel), seed, instances, kills)
                await played.play()
        finally:
            await asyncio.to_thread(engine.stop)
        _look_into(Path(folder), played.ledger)
        return played.ledger


def _look_into(folder: Path, ledger: Ledger) -> None:
    (path,) = folder.rglob("engine.db")
    database = sqlite3.connect(path)
    for table in ("entity", "variable", "step"):
        (ledger.left[table],) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    (ledger.integrity,) = database.execute("PRAGMA integrity_check").fetchone()
    database.close()
