"""What the store costs: `python -m benchmarks.store [--jobs N] [--slots N] [--url postgresql://...]`.

Each job claims a call, keeps an answer, owes a completion and is forgotten, as many at once as there are
slots. The same without a store is taken off. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from typing import Final

from openai_connector.store import NoStore, Store, StoreOptions, open_store
from openai_connector.store.sealing import KEY_BYTES

TARGET_MS: Final = 0.25
PAUSE: Final = 0.05
"""Stands for the call, so that writes of many jobs come together as they do in a worker."""
ANSWER: Final = {
    "status": 200,
    "headers": {"content-type": "application/json", "x-request-id": "req_0123456789"},
    "body": {
        "id": "chatcmpl-0123456789",
        "model": "gpt-4.1-mini",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "A sentence of an answer. " * 80},
            }
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 500, "total_tokens": 800},
    },
}
VARIABLES: Final = '{"answer":"' + "A sentence of an answer. " * 80 + '"}'
CALL: Final = "f" * 64


async def job(store: Store, key: int) -> None:
    """Do all that a job does with the store."""
    await store.claim(key, CALL)
    await asyncio.sleep(PAUSE)
    await store.keep(key, CALL, ANSWER)
    await store.owe(key, VARIABLES)
    await store.forget(key)


async def many(store: Store, count: int, slots: int) -> tuple[float, float]:
    """Return CPU milliseconds a job and jobs a second."""
    keys = iter(range(count))

    async def slot() -> None:
        for key in keys:
            await job(store, key)

    begin, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(slot() for _ in range(slots)))
    return (time.process_time() - cpu) / count * 1e3, count / (time.monotonic() - begin)


async def measured(location: str, options: StoreOptions, count: int, slots: int) -> tuple[float, float]:
    """Return the same for a store, after a warm-up."""
    store = open_store(location, options)
    await store.start()
    await many(store, slots, slots)
    figures = await many(store, count, slots)
    await store.aclose()
    return figures


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=500)
    parser.add_argument("--url", help="a PostgreSQL database of its own, which is written to")
    given = parser.parse_args()
    plain, sealed = StoreOptions(), StoreOptions(keys=[b"k" * KEY_BYTES])
    base_cpu, base_rate = asyncio.run(many(NoStore(), given.jobs, given.slots))
    print(f"{'none':24}{base_cpu:8.3f} ms CPU a job {base_rate:9.0f} jobs/s")
    is_missed = False
    with tempfile.TemporaryDirectory(dir=".") as folder:
        places = [("SQLite", folder, plain), ("SQLite, encrypted", folder, sealed)]
        if given.url:
            places.append(("PostgreSQL", given.url, plain))
        for name, location, options in places:
            cpu, rate = asyncio.run(measured(location, options, given.jobs, given.slots))
            cost = cpu - base_cpu
            is_missed |= cost > TARGET_MS
            print(
                f"{name:24}{cpu:8.3f} ms CPU a job {rate:9.0f} jobs/s; costs {cost:.3f} ms "
                f"(at most {TARGET_MS})"
            )
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
