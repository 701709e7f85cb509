"""The API that keeps books: what counts as bought, whichever way it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.faults import seller
from tests.faults.schedule import ODD_WAYS, WAYS, Choice
from tests.faults.seller import KEY, REFUSALS, Limit, Seller, answer_to

NOT_BOUGHT = {*REFUSALS, "hang", "not json", "no choices"}
WHOLE = {"", "slow", "drip", "reset after", *ODD_WAYS}
BODY = json.dumps({"messages": [{"role": "user", "content": "Question 7"}]}).encode()
REQUEST = (
    f"POST /v1/chat/completions HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {KEY}3\r\n"
    f"X-Client-Request-Id: 42-3-1\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY


async def asked(api: Seller, *, stays: bool = True) -> bytes:
    """Send a request and return what comes up to the end of the answer or of the connection."""
    reader, writer = await asyncio.open_connection(*api.place)
    writer.write(REQUEST)
    received = b""
    with suppress(ConnectionResetError):
        while stays and not _is_whole(received) and (data := await reader.read(10_000)):
            received += data
    await until(lambda: bool(api.calls))
    writer.close()
    return received


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    return bool(end) and len(body) >= int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("way", ["", *WAYS, *ODD_WAYS])
async def test_an_answer_that_was_produced_is_bought(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals, silence and nonsense cost nothing; an answer does, even where it never arrives."""
    monkeypatch.setattr(seller, "LONG", 0.01)
    monkeypatch.setattr(seller, "DRIP_SECONDS", 0.01)
    async with Seller(lambda _prompt, _nth: Choice(way, 0.01)) as api:
        received = await asked(api, stays=way != "hang")
        (call,) = api.calls
    assert (call.bought is None) == (way in NOT_BOUGHT)
    assert (call.life, call.job_key, call.request_id) == (3, 42, "42-3-1")
    assert (answer_to("Question 7").encode() in received) == (way in WHOLE)


async def test_an_answer_is_bought_though_nobody_waits() -> None:
    """A client that leaves in mid-call pays for the answer all the same."""
    async with Seller(lambda _prompt, _nth: Choice("", 0.05)) as api:
        await asked(api, stays=False)
        await until(lambda: api.calls[0].bought is not None)


async def test_while_it_is_out_it_sells_nothing() -> None:
    """In an outage every call is refused, and counted as a call."""
    async with Seller(lambda _prompt, _nth: Choice("", 0.01)) as api:
        api.outage = "503"
        assert b" 503 " in await asked(api)
        assert [call.bought for call in api.calls] == [None]


def test_a_limit_is_a_bucket_that_fills_up() -> None:
    """A minute's requests may come at once, then as many as the time brings; each response says what is left."""
    now = [0.0]
    limit = Limit(60, lambda: now[0])
    assert [limit.take() for _ in range(61)] == [True] * 60 + [False]
    assert "remaining-requests: 0" in limit.headers()
    assert "Retry-After: 1" in limit.headers()
    now[0] = 10.0
    assert [limit.take() for _ in range(11)] == [True] * 10 + [False]
    now[0] = 1000.0
    assert limit.take()
    assert "remaining-requests: 59" in limit.headers()
    assert "Retry-After" not in limit.headers()


async def test_what_is_beyond_the_limit_is_refused() -> None:
    """A call without room in the bucket gets a 429 that says when to come again, and buys nothing."""
    async with Seller(lambda _prompt, _nth: Choice("", 0.01)) as api:
        api.limit = Limit(1)
        assert b" 200 " in await asked(api)
        refused = await asked(api)
    assert b" 429 " in refused
    assert b"Retry-After: " in refused
    assert [call.bought is None for call in api.calls] == [False, True]


def test_each_prompt_has_an_answer_of_its_own() -> None:
    """No answer can be taken for another job's."""
    assert len({answer_to(f"Question {number}") for number in range(10_000)}) == 10_000
