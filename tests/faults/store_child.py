"""A worker process for the tests of the store: `python -m tests.faults.store_child WHAT LOCATION KEYS...`.

It says what it did in one line each, and is killed, or kills itself, where the test wants it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from openai_connector.store import StoreOptions, open_store

CALL = "f" * 64


async def main(what: str, location: str, *keys: str) -> None:
    notes = os.environ.get("NOTES")
    store = open_store(location, StoreOptions(notes=Path(notes) if notes else None))
    await store.start()
    if what == "race":  # claims all keys as fast as it can, at once with others
        print("ready", flush=True)
        sys.stdin.readline()
        claims = await asyncio.gather(*(store.claim(int(key), CALL) for key in keys))
        print(*(key for key, claim in zip(keys, claims, strict=True) if claim.is_ours), flush=True)
        sys.stdin.readline()
    if what in ("keep", "hold"):
        for key in keys:
            await store.claim(int(key), CALL)
            if what == "keep":
                await store.keep(int(key), CALL, {"body": key})
                await store.owe(int(key), key)
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hand over":  # is killed while its answers are being written
        for key in keys:
            await store.claim(int(key), CALL)
        keeping = [asyncio.ensure_future(store.keep(int(key), CALL, {"body": key})) for key in keys]
        await asyncio.sleep(0)
        assert not any(each.done() for each in keeping)
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "wait":  # holds its claims until it is killed
        for key in keys:
            await store.claim(int(key), CALL)
        print("ready", flush=True)
        await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
