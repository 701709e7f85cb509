"""Measure the engine of our own: `python -m benchmarks.engine [--long] [--kills]`.

Figures of one machine say little about another's: the load that it had is printed with them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import grpc
import grpc.aio
import psutil
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from benchmarks.engine_kills import run as run_kills
from openai_connector.tools.demo.engine import Engine, free_ports
from tests.stand_in import StandIn

SLOTS = 500
CREATORS = 32
ROOT = Path(__file__).parents[1]
SERVICE = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="benchmark">
  <bpmn:process id="ask" isExecutable="true">
    <bpmn:startEvent id="start"/><bpmn:sequenceFlow id="in" sourceRef="start" targetRef="task"/>
    <bpmn:serviceTask id="task"><bpmn:extensionElements>
      <zeebe:taskDefinition type="ask" retries="3"/>
      <zeebe:ioMapping>
        <zeebe:input source="{{secrets.KEY}}" target="openai_apiKey"/>
        <zeebe:input source="chat" target="openai_operation"/>
        <zeebe:input source="gpt-6-luna" target="openai_model"/>
        <zeebe:input source="=question" target="openai_prompt"/>
      </zeebe:ioMapping>
      <zeebe:taskHeaders><zeebe:header key="resultVariable" value="answer"/></zeebe:taskHeaders>
    </bpmn:extensionElements></bpmn:serviceTask>
    <bpmn:sequenceFlow id="out" sourceRef="task" targetRef="end"/><bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"""
QUESTION = json.dumps({"question": "How do I pack a vase? " * 10, "customer": {"name": "x", "id": 7}})
ANSWER = json.dumps({"answer": {"status": 200, "body": {"text": "z" * 800}}})


class Figure(NamedTuple):
    """One line of the table."""

    name: str
    measured: str
    wanted: str


@contextmanager
def engine() -> Iterator[Engine]:
    """Run an engine that keeps its data on the disk and writes no records."""
    with TemporaryDirectory(prefix="engine-benchmark-") as folder:
        running = Engine(folder=Path(folder), records=False)
        running.start()
        try:
            yield running
        finally:
            running.kill()


def channel_to(address: str) -> Any:
    """Open a channel past all proxies."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.initial_reconnect_backoff_ms", 20)]
    return grpc.aio.insecure_channel(address, options=[*options, ("grpc.max_reconnect_backoff_ms", 50)])


async def deploy(stub: Any) -> None:
    """Deploy the process."""
    resource = pb.Resource(name="ask.bpmn", content=SERVICE.encode())
    await stub.DeployResource(pb.DeployResourceRequest(resources=[resource]))


async def create(stub: Any, count: int) -> None:
    """Create instances, some at a time."""
    free = asyncio.Semaphore(CREATORS)
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="ask", version=-1, variables=QUESTION)

    async def one() -> None:
        async with free:
            await stub.CreateProcessInstance(request)

    await asyncio.gather(*(one() for _ in range(count)))


async def work(stub: Any, count: int) -> None:
    """Complete that many jobs with all slots, as fast as it goes: a bare worker without any API."""
    running: set[asyncio.Task[Any]] = set()
    done = 0
    while done < count:
        free = min(SLOTS, count - done) - len(running)
        if free > 0:
            request = pb.ActivateJobsRequest(
                type="ask", worker="w", timeout=300_000, maxJobsToActivate=free, requestTimeout=5000
            )
            async for answer in stub.ActivateJobs(request):
                for job in answer.jobs:
                    json.loads(job.variables)
                    completion = pb.CompleteJobRequest(jobKey=job.key, variables=ANSWER)
                    running.add(asyncio.ensure_future(stub.CompleteJob(completion)))
        finished, running = (
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED) if running else (set(), running)
        )
        for task in finished:
            task.result()
        done += len(finished)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def rss_of(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


async def start_time() -> Figure:
    """Measure from the start of the process to the first answer of Topology."""
    (port,) = free_ports(1)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local_engine", "--port", str(port)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with channel_to(f"127.0.0.1:{port}") as channel:
            await GatewayStub(channel).Topology(pb.TopologyRequest(), wait_for_ready=True, timeout=30)
        return Figure(
            "start to the first Topology answer", f"{time.perf_counter() - began:.2f} s", "<= 0.5 s"
        )
    finally:
        process.kill()
        await process.wait()


async def throughput(count: int) -> list[Figure]:
    """Measure a bare worker while instances are created."""
    with engine() as running:
        async with channel_to(running.address) as channel:
            stub = GatewayStub(channel)
            await deploy(stub)
            await asyncio.gather(create(stub, 500), work(stub, 500))
            before, began = cpu_of(running.pid), time.perf_counter()
            await asyncio.gather(create(stub, count), work(stub, count))
            seconds, cpu = time.perf_counter() - began, cpu_of(running.pid) - before
            memory = rss_of(running.pid)
    return [
        Figure(
            f"bare worker, {SLOTS} slots, instances created beside it",
            f"{count / seconds:.0f} jobs/s",
            ">= 1200 jobs/s",
        ),
        Figure("engine CPU a job", f"{cpu / count * 1000:.2f} ms", "<= 0.8 ms"),
        Figure(f"engine RSS after {count + 500} jobs", f"{memory:.0f} MB", "<= 80 MB"),
    ]


async def growth(count: int) -> Figure:
    """Measure the memory after a fifth of the jobs and after all of them."""
    with engine() as running:
        async with channel_to(running.address) as channel:
            stub = GatewayStub(channel)
            await deploy(stub)
            await asyncio.gather(create(stub, count // 5), work(stub, count // 5))
            early = rss_of(running.pid)
            rest = count - count // 5
            await asyncio.gather(create(stub, rest), work(stub, rest))
            ratio = rss_of(running.pid) / early
    return Figure(f"RSS after {count} jobs over RSS after {count // 5}", f"{ratio:.2f} x", "about 1 x")


async def reload_time(count: int) -> Figure:
    """Measure a restart with many open jobs."""
    with engine() as running:
        async with channel_to(running.address) as channel:
            stub = GatewayStub(channel)
            await deploy(stub)
            await create(stub, count)
        running.kill()
        began = time.perf_counter()
        running.start()
        return Figure(f"restart with {count} open jobs", f"{time.perf_counter() - began:.2f} s", "<= 1.5 s")


async def trial_time() -> Figure:
    """Measure a whole `openai-connector try` of an example against a stand-in API."""
    async with StandIn() as api:
        given = {"OPENAI_BASE_URL": api.base_url, "OPENAI_API_KEY": "sk-benchmark"}
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "openai_connector",
                "try",
                str(ROOT / "examples" / "moderate-then-answer.bpmn"),
            ),
            *("--variables", '{"message": "Where is my parcel?"}', "--json"),
            env=os.environ | given,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        seconds = time.perf_counter() - began
    if process.returncode or json.loads(said)["status"] != "completed":
        raise RuntimeError(f"`try` failed: {said.decode()}")
    return Figure("`try` of examples/moderate-then-answer.bpmn, stand-in API", f"{seconds:.2f} s", "<= 2 s")


async def kills(seeds: tuple[int, ...], instances: int, count: int) -> list[Figure]:
    """Kill the engine under load, once a seed."""
    figures = []
    for seed in seeds:
        ledger = await run_kills(seed, instances=instances, kills=count)
        measured = (
            f"lost {ledger.lost}, twice {ledger.twice}, executed again "
            f"{sum(n > 1 for n in ledger.executed.values())}, "
            f"answers lost {ledger.answers_lost}, rows left {sum(ledger.left.values())}, {ledger.integrity}"
        )
        figures.append(
            Figure(f"{count} SIGKILLs, {instances} instances, seed {seed}", measured, "lost 0, twice 0")
        )
    return figures


async def measure(options: argparse.Namespace) -> list[Figure]:
    """Measure what is asked for, one after the other."""
    figures = [await start_time(), *await throughput(15_000), await reload_time(20_000), await trial_time()]
    if options.long:
        figures.append(await growth(50_000))
    if options.kills:
        figures += await kills((1, 2, 3), 1500, 20)
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--long", action="store_true", help="also whether memory grows over 50,000 jobs")
    parser.add_argument("--kills", action="store_true", help="also 20 SIGKILLs under load, for three seeds")
    options = parser.parse_args()
    print(
        f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} at the "
        f"start\n"
    )
    print("| Figure | Measured | Wanted |\n|---|---|---|")
    for figure in asyncio.run(measure(options)):
        print(f"| {figure.name} | {figure.measured} | {figure.wanted} |")


if __name__ == "__main__":
    main()
