"""A worker of which no file may grow beyond a limit, as on a disk that is full; then the limit goes."""

from __future__ import annotations

import asyncio
import resource
import sys

from openai_connector.store import StoreError, open_store


async def main(folder: str) -> None:
    store = open_store(folder)
    await store.start()
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    for job_key in range(100):
        try:
            await store.keep(job_key, "call", {"body": "x" * 10_000})
        except StoreError as error:
            print(error)
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    async with asyncio.timeout(20):
        while not store.is_healthy:
            await asyncio.sleep(0.05)
    assert (await store.claim(0, "call")).answer == {"body": "x" * 10_000}
    await store.keep(1000, "call", {})
    print("works again")
    await store.aclose()


asyncio.run(main(sys.argv[1]))
