"""Large batches: their answers take up little memory, and none is lost among the others."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Callable

from openai_connector.openai_api import ApiResponse
from openai_connector.waiting.batch_api import Account, BatchApi
from openai_connector.waiting.lines import read_line
from openai_connector.waiting.results import Answers, Results
from tests.make import FakeApi

ACCOUNT = Account("https://llm.example.com/v1", ())
LINES = 50_000
TEXT = "x" * 1000


class Large(FakeApi):
    """Has an output file of many lines."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def download(self, url: str, *, write: Callable[[bytes], object], **_more: object) -> ApiResponse:
        """Give it, in pieces."""
        self.reads += 1
        await asyncio.sleep(0)
        rest = b""
        for number in range(LINES):
            body = {"id": "resp_1", "output": [], "text": f"{number} {TEXT}"}
            entry = {"id": "b", "custom_id": f"{number}-abc", "response": {"status_code": 200, "body": body}}
            rest += json.dumps(entry).encode() + b"\n"
            if len(rest) > 60_000:
                write(rest)
                rest = b""
        write(rest)
        return ApiResponse(200, {}, None)


async def test_fifty_thousand_answers_take_little_memory() -> None:
    """Fifty megabytes of them: they are in a file, in memory is only where each of them stands."""
    answers = Answers()
    tracemalloc.start()
    try:
        await answers.read(BatchApi(Large(), Large()), ACCOUNT, "file-1")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20_000_000
    assert len(answers) == LINES
    for number in (0, 1, 777, LINES - 1):
        line = answers.line(f"{number}-abc")
        assert line is not None
        response = read_line(line)
        assert isinstance(response, ApiResponse)
        assert response.body["text"] == f"{number} {TEXT}"
    assert answers.line("nobody") is None
    answers.close()


async def test_who_comes_at_the_same_time_waits_for_the_same_reading() -> None:
    """And whoever comes later reads nothing."""
    api = Large()
    results = Results(BatchApi(api, api), lambda _age: 1.0)
    batch = {"id": "batch_1", "status": "completed", "output_file_id": "file-1", "error_file_id": None}
    first, second = await asyncio.gather(*(results.answers(ACCOUNT, batch) for _ in range(2)))
    assert first is second is await results.answers(ACCOUNT, batch)
    assert api.reads == 1
    results.aclose()
