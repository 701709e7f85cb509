"""The store: something is written, read and removed."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from openai_connector import wording
from openai_connector.store import Met, News, Store, StoreError
from openai_connector.tools.check.findings import Finding, failure, ok, warning

NO_JOB = 0
"""No job has this key."""
_ADVICE = "Check CONNECTOR_STORE, and the disk or the database of it"


async def check_store(open_store: Callable[[Callable[[News], None]], Store], seconds: float) -> list[Finding]:
    """Keep an answer of no job, read it, and remove it.

    Args:
        open_store: returns the store, not yet started, which tells the function it is given what it meets.
        seconds: how long it may take in all.
    """
    met: list[News] = []
    store = open_store(met.append)
    call = f"check-{uuid.uuid4().hex}"
    try:
        async with asyncio.timeout(seconds):
            await store.start()
            await store.claim(NO_JOB, call)
            await store.keep(NO_JOB, call, {"check": call})
            kept = (await store.claim(NO_JOB, call)).answer
            await store.forget(NO_JOB)
    except StoreError as error:
        return [_failed(str(error))]
    except TimeoutError:
        return [_failed(wording.STORE_SLOW())]
    finally:
        await store.aclose()
    if kept != {"check": call}:
        return [failure("store", "The store does not give back what it was given", _ADVICE)]
    damaged = [news.what for news in met if news.met is Met.DAMAGED]
    if damaged:
        advice = "Look at the disk: answers that were in it may be paid for again"
        return [warning("store", f"The store's file was damaged. It is now {damaged[0]}", advice)]
    whose = "the fleet's database" if store.is_shared else "a file on this machine"
    return [ok("store", f"The store ({whose}) can be read and written")]


def _failed(sentences: str) -> Finding:
    """Return a finding of a store's message: what is wrong, then what to do."""
    what, _, advice = sentences.partition(". ")
    return failure("store", what[:1].upper() + what[1:], advice or _ADVICE)
