"""Three worker processes, alone or with one store, and an API with a limit, over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine
from tests.diagrams import process, task
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import Answer, Request, StandIn

MINUTE = 6.0
"""Seconds of a minute of the API: ten times as fast as others'."""
LIMIT = 60
MINUTES = 6


class Limit:
    """Sixty calls a minute, which come back one by one, told as OpenAI tells it."""

    def __init__(self) -> None:
        self.passed = self.refused = 0
        self._left, self._at = float(LIMIT), time.monotonic()

    def __call__(self, _request: Request) -> Answer | None:
        """Judge one call."""
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * LIMIT / MINUTE, LIMIT)
        self._at = now
        is_refused = self._left < 1
        if not is_refused:
            self._left -= 1
        headers = (
            ("x-ratelimit-limit-requests", str(LIMIT)),
            ("x-ratelimit-remaining-requests", str(int(self._left))),
            ("x-ratelimit-reset-requests", f"{(LIMIT - self._left) * MINUTE / LIMIT * 1000:.0f}ms"),
        )
        if is_refused:
            self.refused += 1
            return Answer(429, {"error": {"message": "slow down"}}, headers=(*headers, ("Retry-After", "1")))
        self.passed += 1
        return Answer(headers=headers)


@pytest.mark.parametrize(("kind", "most"), [("alone", 0.10), ("shared", 0.04)])
async def test_three_processes_come_to_terms_with_a_limit(
    kind: str,
    most: float,
    engine: Engine,
    zeebe: ZeebeClient,
    api: StandIn,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Hardly a call is refused, least with one store, and most of what the limit allows is used."""
    limit, name = Limit(), f"limited-{kind}"
    api.always(limit)
    inputs = {"openai_apiKey": "k", "openai_baseUrl": api.base_url, "openai_operation": "chat"}
    inputs["openai_prompt"] = "=string(number)"
    await zeebe.deploy(process(name, task(values=inputs, headers={"retryBackoff": "PT0S"}, job_type=name)))
    for number in range(LIMIT * (MINUTES + 3)):
        await zeebe.create_instance(name, {"number": number})
    settings = {"CONNECTOR_JOB_TYPE": name, "CONNECTOR_LOG_LEVEL": "INFO"}
    if kind == "shared":
        settings["CONNECTOR_STORE"] = request.getfixturevalue("database")
    async with AsyncExitStack() as stack:
        for number in range(3):
            await stack.enter_async_context(Worker(engine.address, tmp_path / f"{number}.log", settings))
        await api.until(lambda: api.calls > 0)
        await asyncio.sleep(MINUTES * MINUTE)
    share = limit.refused / (limit.passed + limit.refused)
    print(json.dumps({"passed": limit.passed, "refused": limit.refused, "share": round(share, 3)}))
    assert share <= most
    # A pace recovers by the worker's own clock: ten times too slowly for this API. How much of a limit is used
    # is shown in simulated time (test_rate_limits).
    assert limit.passed >= 0.6 * LIMIT * MINUTES
