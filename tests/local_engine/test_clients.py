"""Clients that nobody here wrote: pyzeebe's own worker and client, and Camunda's Node SDK."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import ZeebeClient, ZeebeWorker, create_insecure_channel
from pyzeebe.errors import BusinessError

from local_engine.server import LocalEngine
from tests.local_engine.bpmn import END, START, boundary, chain, definitions, error, job, on_error, process
from tests.modeler.front_end import UnavailableError, install, node

HERE = Path(__file__).parent
PATIENCE = 120.0
"""Seconds for what takes a few on an idle machine."""
CAUGHT = boundary("caught", "a", on_error("E")) + '<bpmn:endEvent id="other"/>' + chain("caught", "other")
PROCESS = definitions(error("E", "E"), process("p", START, job("a"), END, chain("start", "a", "end"), CAUGHT))
ANSWERS = [None if number == 8 else number * 2 for number in range(30)]
"""The eighth ends by an error that is caught; the seventh fails once."""


@pytest.fixture
async def engine() -> AsyncIterator[LocalEngine]:
    """An engine in memory."""
    async with LocalEngine() as running:
        yield running


@pytest.fixture
def diagram(tmp_path: Path) -> Path:
    """The process in a file."""
    path = tmp_path / "p.bpmn"
    path.write_bytes(PROCESS)
    return path


@pytest.mark.parametrize("stream", [False, True], ids=["polling", "streaming"])
async def test_pyzeebe(engine: LocalEngine, diagram: Path, stream: bool) -> None:
    """Its worker does jobs, fails one, and throws an error; its client deploys, runs and asks for health."""
    channel = create_insecure_channel(grpc_address=engine.address)
    client, worker = ZeebeClient(channel), ZeebeWorker(channel, poll_retry_delay=0, stream_enabled=stream)
    tries: list[int] = []

    @worker.task(task_type="a")  # type: ignore[arg-type] # its types do not fit its own examples
    async def work(number: int) -> dict[str, Any]:
        if number == 7 and not tries:
            tries.append(number)
            raise ValueError("once")
        if number == 8:
            raise BusinessError("E")
        return {"answer": number * 2}

    await client.deploy_resource(diagram)
    working = asyncio.ensure_future(worker.work())
    try:
        async with asyncio.timeout(PATIENCE):
            runs = (client.run_process_with_result("p", {"number": n}, timeout=60_000) for n in range(30))
            results = await asyncio.gather(*runs)
            health = await client.healthcheck()
    finally:
        await worker.stop()
        working.cancel()
        await asyncio.wait([working])
        await channel.close()
    assert [result.variables.get("answer") for result in results] == ANSWERS
    assert tries == [7]
    assert health.status == 1


async def test_camundas_node_sdk(engine: LocalEngine, diagram: Path) -> None:
    """Its polling and streaming workers do jobs; refusals arrive with gRPC's codes."""
    try:
        program, npm = node()
        await asyncio.to_thread(install, npm, program, HERE / "node")
    except UnavailableError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    using = await asyncio.create_subprocess_exec(
        *(str(program), str(HERE / "node" / "client.cjs"), engine.address, str(diagram)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        said, complaints = await using.communicate()
    assert using.returncode == 0, complaints.decode()
    seen = json.loads(said.decode().splitlines()[-1])
    assert seen == {
        "version": "8.5.0",
        "deployed": 1,
        "streamed": "streamed",
        "answers": ANSWERS,
        "tries": 2,  # the failure, and the completion after it
        "unknown": 5,
        "again": 5,
    }
