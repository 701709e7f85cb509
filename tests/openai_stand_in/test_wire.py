"""What happens on the wire, by the books and by choice."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.openai_stand_in.answers import answer_to
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.asking import background, chat_line, text_of_response
from tests.openai_stand_in.faults import WAYS, Call, Kind, Way, by_seed, unread_by_seed
from tests.openai_stand_in.world import DAY

HEADERS = {"Authorization": "Bearer sk-1", "X-Client-Request-Id": "2251799813685249-1"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client."""
    limit = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(headers=HEADERS, timeout=limit) as session:
        yield session


async def post(session: aiohttp.ClientSession, url: str, body: Any) -> tuple[int, Any]:
    """Return status and body."""
    async with session.post(url, json=body) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("kind", "bought"),
    [
        pytest.param("reset before", 0, id="reset before"),
        pytest.param("reset after", 1, id="reset after"),
        pytest.param("cut", 1, id="cut"),
    ],
)
async def test_a_broken_connection_says_nothing_of_what_was_bought(
    session: aiohttp.ClientSession, kind: Kind, bought: int
) -> None:
    """Proves that the caller sees the same error whether the work was done or not, and that the books know."""
    async with OpenAI(scale=100, choose=lambda call: Way(kind)) as api:
        with pytest.raises(aiohttp.ClientError):
            await post(session, f"{api.base_url}/responses", background("Broken?"))
        api.advance(60)

        assert api.ledger.count == bought
        assert len(api.ledger.never_handed_out()) == bought
        assert [call.way for call in api.calls] == [kind]


async def test_a_connection_may_break_before_the_body_is_read(session: aiohttp.ClientSession) -> None:
    """Proves that nothing is done then."""
    async with OpenAI(scale=100, drops_unread=lambda call: call.nth == 1) as api:
        with pytest.raises(aiohttp.ClientError):
            await post(session, f"{api.base_url}/responses", background("x" * 1_000_000))
        status, _ = await post(session, f"{api.base_url}/responses", background("Read?"))
        api.advance(60)

        assert status == 200
        assert [purchase.prompt for purchase in api.ledger] == ["Read?"]


@pytest.mark.parametrize(
    ("kind", "bought"), [pytest.param("hang", 0, id="hang"), pytest.param("hang after", 1, id="hang after")]
)
async def test_what_hangs_hangs_until_the_caller_leaves(
    session: aiohttp.ClientSession, kind: Kind, bought: int
) -> None:
    """Proves that only the caller's own limit ends it."""
    async with OpenAI(scale=100, choose=lambda call: Way(kind)) as api:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await post(session, f"{api.base_url}/responses", background("Hangs?"))
        api.advance(60)

        assert api.ledger.count == bought


async def test_an_answer_is_bought_although_nobody_waits_for_it(session: aiohttp.ClientSession) -> None:
    """Proves that the API thinks to the end, and that such an answer counts as never handed out."""
    async with OpenAI(scale=1) as api:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await post(session, f"{api.base_url}/chat/completions", chat_line("1", "Alone?")["body"])
        while api.connections:
            await asyncio.sleep(0.01)
        api.advance(60)
        while not api.calls[0].status:
            await asyncio.sleep(0.01)

        [purchase] = api.ledger
        assert (purchase.buyer.request_id, purchase.handed_out) == ("2251799813685249-1", 0)


async def test_a_share_of_the_calls_goes_wrong_by_seed_and_polling_gets_through(
    session: aiohttp.ClientSession,
) -> None:
    """Proves that every way comes, about as often as it should, and that the truth outlives the faults."""
    choose = by_seed(3, 0.2, slow=0.01)
    async with OpenAI(scale=2000, seed=3, choose=choose, drops_unread=unread_by_seed(3, 0.02)) as api:

        async def job(number: int) -> str:
            name = None
            while True:
                try:
                    if name is None:
                        url = f"{api.base_url}/responses"
                        status, body = await post(session, url, background(f"Question {number}"))
                        name = body["id"] if status == 200 else None
                        continue
                    async with session.get(f"{api.base_url}/responses/{name}") as response:
                        body = await response.json()
                        if response.status == 200 and body["status"] == "completed":
                            return text_of_response(body)
                except aiohttp.ClientError:
                    continue

        answers = await asyncio.gather(*(job(number) for number in range(200)))

        assert answers == [answer_to(f"Question {number}") for number in range(200)]
        ways = Counter(call.way for call in api.calls)
        assert set(ways) == {"", "reset unread", *WAYS}
        assert 0.12 < 1 - ways[""] / len(api.calls) < 0.3
        lost = sum(
            call.endpoint == "POST /v1/responses" and call.way in ("reset after", "cut") for call in api.calls
        )
        api.advance(DAY)
        assert api.ledger.count == 200 + lost
        assert (api.complaints, api.drifted) == ([], [])


async def test_faults_may_be_for_one_endpoint_alone(session: aiohttp.ClientSession) -> None:
    """Proves that a choice sees the endpoint, the prompt, and how often it was asked."""

    def choose(call: Call) -> Way:
        is_meant = call.endpoint == "POST /v1/responses" and call.prompt == "This one" and call.nth == 1
        return Way("503") if is_meant else Way()

    async with OpenAI(scale=100, choose=choose) as api:
        url = f"{api.base_url}/responses"
        statuses = [
            (await post(session, url, background(prompt)))[0] for prompt in ("Other", "This one", "This one")
        ]

        assert statuses == [200, 503, 200]
        assert api.count("POST /v1/responses") == 3


async def test_one_connection_serves_many_calls(session: aiohttp.ClientSession) -> None:
    """Proves that connections are kept alive, also after errors and contents in pieces."""
    async with OpenAI(scale=100) as api:
        form = aiohttp.FormData({"purpose": "batch"})
        form.add_field("file", b"x" * 300_000, filename="in.jsonl")
        async with session.post(f"{api.base_url}/files", data=form) as response:
            name = (await response.json())["id"]
        async with session.get(f"{api.base_url}/files/{name}/content") as response:
            content = await response.read()
            is_in_pieces = response.content_length is None
        async with session.get(f"{api.base_url}/files/unknown") as response:
            await response.read()

        assert (len(content), is_in_pieces, api.connections_made) == (300_000, True, 1)


async def test_it_runs_as_a_process_of_its_own(session: aiohttp.ClientSession) -> None:
    """Proves that books and clock can be reached from outside."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.openai_stand_in", "--scale", "10", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http\S+", (await process.stdout.readline()).decode())
        assert found is not None
        url = found[0]
        control = f"{url.removesuffix('/v1')}/stand-in"
        await post(session, f"{url}/responses", background("Process?"))
        await post(session, f"{control}/clock", {"advance": 60})
        async with session.get(f"{control}/ledger") as response:
            ledger = await response.json()
        async with session.get(f"{control}/complaints") as response:
            complaints = await response.json()
    finally:
        process.kill()
        await process.wait()

    assert (ledger["count"], ledger["by_tier"], complaints) == (1, {"standard": 1}, [])
