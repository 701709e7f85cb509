"""SIGKILL at any moment: what was acknowledged is there, once.

The long form: `python -m benchmarks.engine --kills`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.engine_kills import run
from openai_connector.tools.demo.engine import Engine
from openai_connector.tools.demo.records import Records
from tests.engine.zeebe_client import ZeebeClient
from tests.local_engine.bpmn import END, START, chain, definitions, process, script

PROCESS = definitions(process("p", START, script("s", "=n", "m"), END, chain("start", "s", "end")))


@pytest.mark.parametrize("seed", [1, 2], ids=str)
async def test_kills_under_load_lose_nothing(seed: int) -> None:
    """Killed five times while instances are created and jobs done.

    Nothing lost, nothing twice, nothing left over.
    """
    ledger = await run(seed, instances=200, kills=5)
    assert (ledger.lost, ledger.twice) == (0, 0)
    assert len(ledger.created) == 200
    assert ledger.integrity == "ok"
    assert ledger.left == {"entity": 0, "variable": 0, "step": 0}


async def test_kills_lose_no_record(tmp_path: Path) -> None:
    """A reader of the log sees every instance that was acknowledged complete, whenever the engine was killed."""
    engine = Engine(folder=tmp_path)
    await asyncio.to_thread(engine.start)
    done: list[int] = []
    try:
        async with ZeebeClient(engine.address) as zeebe:
            await zeebe.deploy(PROCESS.decode())
            for _ in range(4):
                for number in range(20):
                    done.append(await zeebe.create_instance("p", {"n": number}))
                await asyncio.to_thread(engine.kill)
                await asyncio.to_thread(engine.start)
    finally:
        await asyncio.to_thread(engine.stop)
    records = Records(engine.log)
    for key in done:
        assert records.find("PROCESS_INSTANCE", "ELEMENT_COMPLETED", processInstanceKey=key, elementId="p")
    positions = [event["position"] for event in records.find("PROCESS_INSTANCE")]
    assert positions == sorted(set(positions))


async def test_keys_after_a_kill_are_new(tmp_path: Path) -> None:
    """No key that a client has seen is handed out again, those of commands that left nothing among them."""
    engine = Engine(folder=tmp_path, records=False)
    seen: set[int] = set()
    await asyncio.to_thread(engine.start)
    try:
        async with ZeebeClient(engine.address) as zeebe:
            await zeebe.deploy(PROCESS.decode())
            for _ in range(3):
                keys = [await zeebe.create_instance("p", {"n": 1}) for _ in range(5)]
                assert seen.isdisjoint(keys)
                seen.update(keys)
                await asyncio.to_thread(engine.kill)
                await asyncio.to_thread(engine.start)
    finally:
        await asyncio.to_thread(engine.stop)
