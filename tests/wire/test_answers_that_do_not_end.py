"""An answer arrives, and then the line goes quiet: at the timeout, what has arrived counts.

The cases of a kind wait at the same time: each waits for its timeout.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.connector import explained
from openai_connector.contract import PANEL
from openai_connector.job import Recovery
from openai_connector.openai_api import (
    ApiClient,
    ApiError,
    ApiStatusError,
    ApiTimeoutError,
    InvalidResponseError,
)
from tests.make import sentences_in
from tests.unit.openai_api.conftest import ask, error_of
from tests.wire.cases import CHUNKED
from tests.wire.raw import ANSWER, RawServer, Step, response

SECONDS = 2
STALL = 600
SIZE = len(ANSWER)
PACKED = gzip.compress(ANSWER)


def chunk(body: bytes, end: bytes = b"\r\n") -> bytes:
    """Return one chunk, without the one that ends all."""
    return b"%x" % len(body) + end + body + end


def stalled(body: bytes = b"", *lines: bytes, status: bytes = b"200 OK", more: int = 9) -> bytes:
    """Return a response that promises more bytes than it has."""
    return response(body, *lines, status=status, length=len(body) + more)


WHOLE: Mapping[str, bytes] = {
    "one chunk, no end": response(chunk(ANSWER), CHUNKED, length=None),
    "two chunks, no end": response(chunk(ANSWER[:9]) + chunk(ANSWER[9:]), CHUNKED, length=None),
    "the end's first half": response(chunk(ANSWER) + b"0\r\n", CHUNKED, length=None),
    "the last chunk's line is missing": response(chunk(ANSWER)[:-2], CHUNKED, length=None),
    "two bytes more were promised": stalled(ANSWER, more=2),
    "more was promised than there is": response(ANSWER, length=99999999999999999999),
    "no length, left open": response(ANSWER, length=None),
    "no length, HTTP/1.0": response(ANSWER, length=None, version=b"1.0"),
    "packed": stalled(PACKED, b"Content-Encoding: gzip"),
    "packed, without its checksum": stalled(PACKED[:-8], b"Content-Encoding: gzip"),
}
PARTS: Mapping[str, bytes] = {
    "nothing of the body": stalled(),
    "a blank": stalled(b" "),
    "all but the last byte": stalled(ANSWER[:-1]),
    "all but the last byte, in a chunk": response(chunk(ANSWER[:-1]), CHUNKED, length=None),
    "half of the only chunk": response(chunk(ANSWER)[: SIZE // 2], CHUNKED, length=None),
    "text": stalled(b"Hello", b"X-Text: yes"),
    "packed, half": stalled(PACKED[:40], b"Content-Encoding: gzip"),
    "letters of another charset": stalled(b'{"a": "\xe9"}'),
}
WORDS = b'{"error": {"message": "Slow down"}}'
REFUSED: Mapping[str, tuple[bytes, Recovery, float | None, str]] = {
    "401, no body": (stalled(status=b"401 No"), Recovery.PERMANENT, None, "401 Unauthorized"),
    "401, half a body": (stalled(b'{"err', status=b"401 No"), Recovery.PERMANENT, None, "401"),
    "400, chunks": (
        response(chunk(WORDS), CHUNKED, status=b"400 Bad", length=None),
        Recovery.PERMANENT,
        None,
        '"Slow down"',
    ),
    "400, all of it": (stalled(WORDS, status=b"400 Bad"), Recovery.PERMANENT, None, '"Slow down"'),
    "403, text": (stalled(b"Keep out", status=b"403 No"), Recovery.PERMANENT, None, '"Keep out"'),
    "429, a hint": (
        stalled(b"", b"Retry-After: 7", status=b"429 Slow"),
        Recovery.RATE_LIMITED,
        7,
        "429 Too Many Requests",
    ),
    "503, a hint, packed": (
        stalled(PACKED[:9], b"Retry-After: 9", b"Content-Encoding: gzip", status=b"503 No"),
        Recovery.RATE_LIMITED,
        9,
        "503",
    ),
    "500, no length": (
        response(WORDS, status=b"500 Oh", length=None),
        Recovery.TRANSIENT,
        None,
        '"Slow down"',
    ),
}


async def outcome_of(client: ApiClient, raw: Step) -> Any:
    """Return the body, or the error, of a response after which the connection stays open."""
    async with RawServer([raw, STALL]) as server:
        try:
            outcome: Any = (await ask(client, server.url, timeout=SECONDS)).body
        except ApiError as error:
            outcome = error
        assert len(server.requests) == 1
    return outcome


async def outcomes_of(client: ApiClient, cases: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what becomes of each case."""
    found = await asyncio.gather(*(outcome_of(client, raw) for raw in cases.values()))
    return dict(zip(cases, found, strict=True))


async def test_a_whole_answer_is_an_answer(client: ApiClient) -> None:
    """It has been made and paid for: only the server's word that it is over is missing."""
    outcomes = await outcomes_of(client, WHOLE)
    assert outcomes == dict.fromkeys(WHOLE, json.loads(ANSWER))


async def test_a_part_of_an_answer_is_none(client: ApiClient) -> None:
    """Text that is cut is never taken for an answer; the message says that one had begun."""
    for name, error in (await outcomes_of(client, PARTS)).items():
        assert isinstance(error, ApiTimeoutError), name
        assert (error.code, error.recovery) == ("408", Recovery.TRANSIENT)
        assert "API_UNFINISHED" in sentences_in(explained(error, PANEL)), name


async def test_the_status_of_an_error_counts(client: ApiClient) -> None:
    """Its status, its words and its hint to wait are there: no attempt is lost to find them out again."""
    outcomes = await outcomes_of(client, {name: case[0] for name, case in REFUSED.items()})
    for name, error in outcomes.items():
        _, recovery, seconds, words = REFUSED[name]
        assert isinstance(error, ApiStatusError), name
        wait = None if seconds is None else timedelta(seconds=seconds)
        assert (error.recovery, error.wait) == (recovery, wait), name
        assert words in str(error), name


async def test_no_answer_of_a_line_that_went_quiet_is_for_the_next_request(client: ApiClient) -> None:
    """The connection is not used again: the rest may still come."""
    async with RawServer([WHOLE["two bytes more were promised"], STALL]) as server:
        for _ in range(2):
            await ask(client, server.url, timeout=SECONDS)
        assert server.connections == 2


@pytest.mark.parametrize("end", [b"\n", b" \n", b";a=b\n"], ids=["bare", "blank", "extension"])
async def test_chunks_whose_lines_end_otherwise_are_known_at_once(client: ApiClient, end: bytes) -> None:
    """The end of such a line would be waited for until the timeout, and paid for again."""
    async with RawServer([response(chunk(ANSWER, end), CHUNKED, length=None), STALL]) as server:
        error = await error_of(client, server.url)
    assert isinstance(error, InvalidResponseError)
    assert "API_MALFORMED" in sentences_in(explained(error, PANEL))
