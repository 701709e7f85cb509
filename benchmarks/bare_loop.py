"""The bare loop: the least that a Python worker can do for a chat job. The connector is measured against it.

Activate, one POST through httpx over the connector's transport, complete: no checks, no secrets, no second
calls, no clean end, and the answer's body alone as the result. It takes the connector's own settings, as far
as it needs them.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
import httpx
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from openai_connector.openai_api.proxies import Proxies
from openai_connector.openai_api.transport import Transport

SLOTS = int(os.environ["CONNECTOR_MAX_JOBS"])
URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
HEADERS = {
    "Content-Type": "application/json",
    "Authorization": f"Bearer {os.environ['SECRET_OPENAI_API_KEY']}",
}
INPUTS = ("openai_model", "openai_systemMessage", "openai_prompt", "openai_temperature", "openai_maxTokens")


@contextmanager
def again_when_busy() -> Iterator[None]:
    """Let the engine's back-pressure pass; without this, jobs would be lost to their lease."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise


async def main() -> None:
    """Work until the process is ended."""
    running: set[asyncio.Task[None]] = set()
    free = asyncio.Event()
    transport = Transport(httpx.create_ssl_context(), Proxies({}, ""))
    async with (
        httpx.AsyncClient(transport=transport, timeout=60) as client,
        grpc.aio.insecure_channel(os.environ["ZEEBE_ADDRESS"]) as channel,
    ):
        stub: Any = GatewayStub(channel)

        async def work(job: Any) -> None:
            given = json.loads(job.variables)
            body = {
                "model": given["openai_model"],
                "messages": [
                    {"role": "system", "content": given["openai_systemMessage"]},
                    {"role": "user", "content": given["openai_prompt"]},
                ],
                "temperature": float(given["openai_temperature"]),
                "max_completion_tokens": int(given["openai_maxTokens"]),
            }
            answer = await client.post(URL, headers=HEADERS, content=json.dumps(body).encode())
            answer.raise_for_status()
            result = json.dumps({json.loads(job.customHeaders)["resultVariable"]: json.loads(answer.content)})
            while True:
                with again_when_busy():
                    await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables=result))
                    break
                await asyncio.sleep(0.1)

        def done(task: asyncio.Task[None]) -> None:
            running.discard(task)
            free.set()
            task.result()

        request = pb.ActivateJobsRequest(
            type=os.environ["CONNECTOR_JOB_TYPE"],
            worker="bare",
            timeout=300_000,
            fetchVariable=INPUTS,
            requestTimeout=10_000,
        )
        while True:
            if len(running) == SLOTS:
                free.clear()
                await free.wait()
                await asyncio.sleep(0.02)
            request.maxJobsToActivate = SLOTS - len(running)
            with again_when_busy():
                async for response in stub.ActivateJobs(request):
                    for job in response.jobs:
                        task = asyncio.create_task(work(job))
                        running.add(task)
                        task.add_done_callback(done)
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main())
