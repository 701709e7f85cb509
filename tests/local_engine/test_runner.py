"""Turns: what fails unexpectedly is undone, what takes long holds up nobody, and what cannot go on stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pyzeebe.proto import gateway_pb2 as pb

from local_engine.clock import Clock
from local_engine.engine import Engine
from local_engine.errors import Rejection
from local_engine.jobs import Jobs
from local_engine.polls import Polls
from local_engine.runner import FAILURES_IN_A_ROW, Runner
from local_engine.storage import Storage
from local_engine.timers import Timers
from local_engine.tokens import Tokens
from tests.local_engine.bpmn import (
    END,
    START,
    catch,
    chain,
    definitions,
    element,
    flow,
    job,
    multi_instance,
    process,
    script,
    timer,
)
from tests.local_engine.calls import PROCESS, Gateway, gateway
from tests.local_engine.conftest import Disk
from tests.local_engine.world import document

PATIENCE = 30.0
"""Seconds for anything on a busy machine."""


@pytest.fixture
async def client() -> AsyncIterator[Gateway]:
    """A client of an engine of this test's own."""
    async with gateway() as made:
        yield made


@pytest.mark.parametrize(
    ("room", "method"),
    [pytest.param(Jobs, "complete", id="in_a_command"), pytest.param(Tokens, "complete", id="in_a_step")],
)
async def test_an_unexpected_failure_is_undone(
    client: Gateway, monkeypatch: pytest.MonkeyPatch, room: type, method: str
) -> None:
    """The caller gets INTERNAL, the job is as it was, listeners and later commands work."""
    job = await client.job()
    seen: list[Any] = []
    client.server.subscribe(seen.append)
    with monkeypatch.context() as broken:

        def fail(*_: object) -> None:
            raise ZeroDivisionError("a bug")

        broken.setattr(room, method, fail)
        code, details = await client.code("CompleteJob", pb.CompleteJobRequest(jobKey=job.key))
    assert (code, "a bug" in details) == ("INTERNAL", True)
    assert client.server.engine.state.jobs[job.key].state == "ACTIVATED"
    assert seen == []
    assert (await client.code("CompleteJob", pb.CompleteJobRequest(jobKey=job.key)))[0] == "OK"
    assert any(record["valueType"] == "JOB" and record["intent"] == "COMPLETED" for record in seen)


async def test_a_waiting_poll_survives_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that waited before the failed turn gets the next job."""
    storage = Storage(None)
    runner = Runner(storage, Clock())
    polls = Polls(runner)
    await runner.execute(lambda engine: engine.deployments.deploy([("p.bpmn", PROCESS)]))
    request = pb.ActivateJobsRequest(
        type="a", worker="w", timeout=1000, maxJobsToActivate=1, requestTimeout=20_000
    )
    polling = asyncio.ensure_future(polls.poll(request))
    for _ in range(3):
        await runner.execute(lambda _: None)  # the poll has found nothing, and waits
    with monkeypatch.context() as broken:
        broken.setattr(Engine, "run", lambda *_: 1 / 0)
        with pytest.raises(Rejection, match="ZeroDivisionError"):
            await runner.execute(lambda engine: engine.creation.create(engine.latest["p"], {}))
    created = await runner.execute(lambda engine: engine.creation.create(engine.latest["p"], {}))
    async with asyncio.timeout(PATIENCE):
        assert [job.processInstanceKey for job in await polling] == [created.key]
    runner.close()
    storage.close()


async def test_what_fails_again_and_again_stops_the_engine(
    client: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer whose firing has a bug ends the engine with a sentence, instead of a hot loop."""
    waiting = catch("t", timer("duration", "PT0.05S"))
    await client.deploy(
        definitions(process("timed", START, waiting, END, chain("start", "t", "end"))), name="t{}.bpmn"
    )

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Timers, "fall_due", fail)
    await client.create("timed")
    async with asyncio.timeout(PATIENCE):
        sentence = await client.server.failed()
    assert f"{FAILURES_IN_A_ROW} times in a row" in sentence
    code, _ = await client.code("CompleteJob", pb.CompleteJobRequest(jobKey=1))
    assert code == "UNAVAILABLE"


async def test_a_full_disk_stops_the_engine(tmp_path: Path, disk: Disk) -> None:
    """A commit that fails is answered with INTERNAL, and the engine says why it stops."""
    storage = Storage(tmp_path)
    runner = Runner(storage, Clock())
    runner.start()
    diagram = definitions(process("p", START, job("a"), END, chain("start", "a", "end")))
    await runner.execute(lambda engine: engine.deployments.deploy([("p.bpmn", diagram)]))
    disk.fill()
    with pytest.raises(Rejection, match="could not be written"):
        await runner.execute(
            lambda engine: engine.creation.create(engine.latest["p"], document({"x": "y" * 500_000}))
        )
    assert "make room on the disk" in await runner.given_up
    storage.close()
    reopened = Engine(Storage(tmp_path))
    assert ([*reopened.latest], reopened.state.instances) == (["p"], {})


async def test_a_cancelled_caller_cancels_no_other(client: Gateway) -> None:
    """Two commands of one turn: one caller goes away, the other is answered."""
    runner = client.server.runner
    first = asyncio.ensure_future(
        runner.execute(lambda engine: engine.creation.create(engine.latest["p"], {}))
    )
    second = asyncio.ensure_future(
        runner.execute(lambda engine: engine.creation.create(engine.latest["p"], {}))
    )
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(PATIENCE):
        assert (await second).key in client.server.engine.state.instances


async def test_rounds_of_endless_expressions_hold_up_nobody(client: Gateway) -> None:
    """While a hundred rounds run into their bound one after the other, other commands are answered in between."""
    endless = "=count(for a in 1..2000000, b in 1..2000000, c in 1..2000000 return a)"
    rounds = job("slow", multi_instance("=for i in 1..100 return i"), inputs={"x": endless})
    await client.deploy(
        definitions(process("rounds", START, rounds, END, chain("start", "slow", "end"))), name="s{}.bpmn"
    )
    slow = await client.create("rounds")
    for _ in range(3):
        await client.create()
    # Counted in rounds, each of which takes up to a second: a command waits for the one that is under way.
    assert len(client.server.engine.state.incidents) <= 12
    await client.stub.CancelProcessInstance(pb.CancelProcessInstanceRequest(processInstanceKey=slow))


async def test_steps_left_by_a_slice_go_on_after_a_restart(tmp_path: Path) -> None:
    """What a commit leaves undone is stored with it."""
    storage = Storage(tmp_path)
    runner = Runner(storage, Clock())
    body = process("p", START, script("s", "=n + 1", "n"), job("a"), END, chain("start", "s", "a", "end"))
    engine = runner.engine
    engine.deployments.deploy([("p.bpmn", definitions(body))])
    engine.creation.create(engine.latest["p"], document({"n": 1}))
    assert engine.run(seconds=-1) is False
    engine.commit()
    runner.close()
    storage.close()
    again = Engine(Storage(tmp_path))
    assert again.run() is True
    again.commit()
    ((_, seen),) = again.jobs.activate("a", "w", 1000, 1)
    assert seen == '{"n":2}'


async def test_a_lease_ends_when_it_is_over(client: Gateway) -> None:
    """A waiting poll gets the job of a worker that went away, at the end of its lease."""
    await client.create()
    (first,) = await client.activate(lease=200)
    began = time.monotonic()
    (again,) = await client.activate(wait=20_000)
    assert (again.key, again.retries) == (first.key, first.retries)
    assert time.monotonic() - began < PATIENCE


async def test_two_gateways_do_not_share_a_port(client: Gateway) -> None:
    """A second engine on the same port says so."""
    from local_engine.errors import EngineError
    from local_engine.server import LocalEngine

    port = int(client.server.address.rpartition(":")[2])
    with pytest.raises(EngineError, match="another program has the port"):
        await LocalEngine(port=port).start()


def test_a_circle_with_a_wait_goes_round_quickly() -> None:
    """A gateway in a circle of scripts that ends by a condition needs no recursion."""
    from tests.local_engine.world import World

    loop = [
        element("exclusiveGateway", "join"),
        script("s", "=n + 1", "n"),
        element("exclusiveGateway", "more", default_="more-end"),
        flow("more", "join", "=n < 2000"),
        flow("more", "end"),
    ]
    world = World()
    world.deploy(definitions(process("p", START, *loop, END, chain("start", "join", "s", "more"))))
    key = world.start(n=0)
    assert world.ended[key] == {"n": 2000}
