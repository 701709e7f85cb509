"""The management port: the clock, health and figures over HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local_engine.server import LocalEngine
from tests.local_engine.bpmn import END, START, catch, chain, definitions, process, timer

HOUR = 3_600_000


@pytest.fixture
async def engine() -> AsyncIterator[LocalEngine]:
    """An engine with a management port."""
    async with LocalEngine(management_port=0) as running:
        yield running


async def ask(engine: LocalEngine, method: str, path: str, body: str = "") -> tuple[int, str]:
    """Send a request and return status and body."""

    def send() -> tuple[int, str]:
        request = urllib.request.Request(
            f"{engine.management_url}{path}", data=body.encode() or None, method=method
        )
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=30
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(send)


async def clock(engine: LocalEngine) -> int:
    """Return the engine's time."""
    return int(json.loads((await ask(engine, "GET", "/actuator/clock"))[1])["epochMilli"])


async def test_the_clock_is_moved(engine: LocalEngine) -> None:
    """Adding, pinning and resetting; what is due by then happens at once."""
    waiting = catch("t", timer("duration", "PT1H"))
    diagram = definitions(process("p", START, waiting, END, chain("start", "t", "end")))
    await engine.runner.execute(lambda core: core.deployments.deploy([("p.bpmn", diagram)]))
    await engine.runner.execute(lambda core: core.creation.create(core.latest["p"], {}))
    before = await clock(engine)
    assert (await ask(engine, "POST", "/actuator/clock/add", json.dumps({"offsetMilli": HOUR})))[0] == 200
    assert await clock(engine) >= before + HOUR
    async with asyncio.timeout(30):
        while engine.engine.state.instances:
            await asyncio.sleep(0.01)
    assert (await ask(engine, "POST", "/actuator/clock/pin", json.dumps({"epochMilli": 1})))[0] == 200
    assert await clock(engine) == 1
    assert (await ask(engine, "DELETE", "/actuator/clock"))[0] == 200
    assert await clock(engine) < before + HOUR


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", "/actuator/health/status", "", 200, id="health"),
        pytest.param("GET", "/ready", "", 200, id="ready"),
        pytest.param("GET", "/actuator/prometheus", "", 200, id="figures"),
        pytest.param("GET", "/nobody", "", 404, id="unknown"),
        pytest.param("PUT", "/actuator/clock", "x", 404, id="unknown_method"),
        pytest.param("POST", "/actuator/clock/add", "{", 400, id="no_json"),
        pytest.param("POST", "/actuator/clock/add", "[1]", 400, id="no_object"),
        pytest.param("POST", "/actuator/clock/pin", '{"epochMilli": "x"}', 400, id="no_number"),
    ],
)
async def test_answers(engine: LocalEngine, method: str, path: str, body: str, status: int) -> None:
    """What there is answers 200; everything else says what is possible."""
    found, text = await ask(engine, method, path, body)
    assert found == status
    if status >= 400:
        assert json.loads(text)["error"]


async def test_rubbish_does_no_harm(engine: LocalEngine) -> None:
    """Bytes that are no HTTP are closed, and the port goes on."""
    host, _, port = engine.management_url.removeprefix("http://").rpartition(":")
    for rubbish in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"", b"A" * 100_000):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(rubbish)
        writer.write_eof()
        answer: Any = None
        try:
            answer = await asyncio.wait_for(reader.read(), 30)
        except ConnectionError:
            answer = b""
        assert b"200" not in answer[:20]
        writer.close()
    assert (await ask(engine, "GET", "/ready"))[0] == 200
