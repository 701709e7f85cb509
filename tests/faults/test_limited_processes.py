"""Three worker processes that know nothing of each other, and an API with a limit, over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path

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


async def test_three_processes_share_a_limit(
    engine: Engine, zeebe: ZeebeClient, api: StandIn, tmp_path: Path
) -> None:
    """At most one call in ten is refused, and nine tenths of what the limit allows are used."""
    limit = Limit()
    api.always(limit)
    inputs = {"openai_apiKey": "k", "openai_baseUrl": api.base_url, "openai_operation": "chat"}
    inputs["openai_prompt"] = "=string(number)"
    diagram = process("limited", task(values=inputs, headers={"retryBackoff": "PT0S"}, job_type="limited"))
    await zeebe.deploy(diagram)
    for number in range(LIMIT * (MINUTES + 3)):
        await zeebe.create_instance("limited", {"number": number})
    async with AsyncExitStack() as stack:
        for number in range(3):
            log = tmp_path / f"{number}.log"
            settings = {"CONNECTOR_JOB_TYPE": "limited", "CONNECTOR_LOG_LEVEL": "INFO"}
            await stack.enter_async_context(Worker(engine.address, log, settings))
        await api.until(lambda: api.calls > 0)
        await asyncio.sleep(MINUTES * MINUTE)
    share = limit.refused / (limit.passed + limit.refused)
    print(json.dumps({"passed": limit.passed, "refused": limit.refused, "share": round(share, 3)}))
    assert share <= 0.10
    assert limit.passed >= 0.9 * LIMIT * MINUTES
