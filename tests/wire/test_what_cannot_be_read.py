"""What arrived and cannot be read is INVALID_RESPONSE; an error's status counts all the same."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from openai_connector.connector import explained
from openai_connector.contract import PANEL
from openai_connector.job import Recovery
from openai_connector.openai_api import ApiClient, ApiConnectionError, ApiStatusError, InvalidResponseError
from openai_connector.openai_api.decoding import Unreadable, unpack
from tests.make import sentences_in
from tests.unit.openai_api.conftest import error_of
from tests.wire.cases import CHUNKED, HEAD, UNREADABLE, WRITTEN, raw_deflate, typed
from tests.wire.conftest import Wire
from tests.wire.raw import ANSWER, RawServer, response

WORDS = b'{"error": {"message": "Slow down"}}'


@pytest.mark.parametrize("name", UNREADABLE)
async def test_it_is_final_and_said_to_be_paid(wire: Wire, name: str) -> None:
    """The same server answers so each time, and each time is paid: one call, no retry."""
    async with wire([UNREADABLE[name], "close"]) as (server, client):
        error = await error_of(client, server.url)
        assert isinstance(error, InvalidResponseError)
        assert (error.code, error.recovery) == ("INVALID_RESPONSE", Recovery.PERMANENT)
        assert "API_MALFORMED" in sentences_in(explained(error, PANEL))
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["garbage", "HTTP/2", "TLS alert", "SSH"])
async def test_what_is_no_http_is_known_by_its_first_bytes(client: ApiClient, name: str) -> None:
    """A port of another protocol, which waits for more, does not cost the whole timeout."""
    async with RawServer([UNREADABLE[name], 600]) as server:
        assert isinstance(await error_of(client, server.url), InvalidResponseError)


async def test_what_came_is_kept(client: ApiClient) -> None:
    """The bytes that are no response are there for error expressions; the message has none of them."""
    async with RawServer([b"secret garbage\r\n\r\n", "close"]) as server:
        error = await error_of(client, server.url)
    assert error.response is not None
    assert error.response.body == "secret garbage\r\n\r\n"
    assert "secret" not in explained(error, PANEL)


@pytest.mark.parametrize(
    "raw",
    [
        response(WORDS, status=b"429 Slow", length=len(WORDS) + 9),
        response(WORDS, b"Content-Length: 3", status=b"429 Slow"),
        response(WORDS, b"Content-Length: x", status=b"429 Slow", length=None),
        response(WORDS, CHUNKED + b", br", status=b"429 Slow", length=None),
        response(WORDS, b"X Bad: 1", status="429 Ralentissez à".encode("latin-1")),
        response(b"%x\r\n%s\r\nzz\r\n" % (len(WORDS), WORDS), CHUNKED, status=b"429 Slow", length=None),
    ],
    ids=["length too long", "two lengths", "no length", "unknown coding", "odd head", "odd chunk"],
)
async def test_an_errors_status_and_words_count(client: ApiClient, raw: bytes) -> None:
    """A 429 is rate-limited by its Retry-After, however broken what comes with it."""
    raw = raw.replace(b"\r\n", b"\r\nRetry-After: 7\r\n", 1)
    async with RawServer([raw, "close"]) as server:
        error = await error_of(client, server.url)
    assert isinstance(error, ApiStatusError)
    assert (error.code, error.recovery) == ("429", Recovery.RATE_LIMITED)
    assert "Slow down" in str(error)


@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "zstd"], ids=["bad gzip", "bad deflate", "br", "zstd"]
)
async def test_an_errors_status_counts_where_its_body_cannot_be_unpacked(
    client: ApiClient, encoding: str
) -> None:
    """A 503 is a 503."""
    raw = response(b"\xff\xfe nothing", b"Content-Encoding: " + encoding.encode(), status=b"503 Busy")
    async with RawServer([raw]) as server:
        error = await error_of(client, server.url)
    assert (error.code, error.recovery) == ("503", Recovery.TRANSIENT)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (response(b"\x8b\x05\x80", b"Content-Encoding: br"), "API_ENCODING"),
        (response(b"\x28\xb5\x2f\xfd", b"Content-Encoding: zstd"), "API_ENCODING"),
        (response(b"no gzip", b"Content-Encoding: gzip"), "API_CANNOT_UNPACK"),
        (response(gzip.compress(ANSWER)[:30], b"Content-Encoding: x-gzip"), "API_CANNOT_UNPACK"),
        (response(raw_deflate(ANSWER)[:20], b"Content-Encoding: deflate"), "API_CANNOT_UNPACK"),
        (response(ANSWER, b"Content-Encoding: gzip, gzip, gzip"), "API_PACKED_TOO_OFTEN"),
        (typed(WRITTEN.encode("latin-1"), "application/json"), "API_CHARSET"),
        (typed(WRITTEN.encode("latin-1"), "application/json; charset=utf-8"), "API_CHARSET"),
        (typed(WRITTEN.encode("utf-16-le")[:-1], "application/json; charset=utf-16le"), "API_CHARSET"),
        (typed(b"data: {}\n\ndata: [DONE]\n\n", "text/event-stream"), "API_EVENT_STREAM"),
        (typed(b"data: {}\n\ndata: [DONE]\n\n", "text/plain"), "API_EVENT_STREAM"),
        (typed(b": ping\n\nevent: x\n\n", "Text/Event-Stream; charset=utf-8"), "API_EVENT_STREAM"),
    ],
    ids=["br", "zstd", "no gzip", "half gzip", "half deflate", "too often", "latin-1", "latin-1 as utf-8",
         "half utf-16", "event stream", "unnamed event stream", "event stream with charset"],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_says_why(client: ApiClient, raw: bytes, sentence: str) -> None:
    """The message names the encoding, the charset, or the event stream; it is final."""
    async with RawServer([raw]) as server:
        error = await error_of(client, server.url)
    assert (error.code, error.recovery) == ("INVALID_RESPONSE", Recovery.PERMANENT)
    assert sentence in sentences_in(explained(error, PANEL))


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 O",
        HEAD + b"Content-Len",
        response(ANSWER[:-1], length=len(ANSWER)),
        response(b"%x\r\n%s" % (len(ANSWER), ANSWER[:-1]), CHUNKED, length=None),
        response(b"", length=5),
    ],
    ids=["status line", "headers", "length", "chunk", "no body"],
)
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_an_answer_that_ends_too_early_is_a_broken_connection(
    client: ApiClient, raw: bytes, end: str
) -> None:
    """What is missing has not arrived: transient, and perhaps paid."""
    async with RawServer([raw, 0.05, end]) as server:  # type: ignore[list-item]
        error = await error_of(client, server.url)
    assert isinstance(error, ApiConnectionError)
    assert (error.code, error.recovery) == ("408", Recovery.TRANSIENT)
    assert sentences_in(str(error)) == {"API_BROKEN"}


async def test_a_whole_answer_is_lost_where_the_connection_is_reset(client: ApiClient) -> None:
    """JSON that is whole counts in spite of a wrong length only where the server closed in order."""
    async with RawServer([response(length=len(ANSWER) + 1), 0.05, "reset"]) as server:
        assert sentences_in(str(await error_of(client, server.url))) == {"API_BROKEN"}


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_not_unpacked_beyond_the_limit(encoding: str, times: int) -> None:
    """A few kilobytes that stand for hundreds of megabytes take no more memory than the limit."""
    content = b"0" * 200_000_000
    for _ in range(times):
        content = gzip.compress(content, 1) if encoding == "gzip" else raw_deflate(content)
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable) as caught:
            unpack(content, ", ".join([encoding] * times), 10_000_000)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "too_large"


def test_many_members_are_bounded_together() -> None:
    """Members of gzip share one limit."""
    with pytest.raises(Unreadable, match="larger"):
        unpack(gzip.compress(bytes(600_000)) * 2, "gzip", 1_000_000)


@pytest.mark.parametrize(
    ("charset", "content"),
    [
        ("utf-7", WRITTEN.encode("utf-7")),
        ("UTF7", WRITTEN.encode("utf-7")),
        ("klingon", WRITTEN.encode()),
        ("base64", WRITTEN.encode()),
        ("utf-80", WRITTEN.encode()),
        ("unicode-escape", b'{"content": "Z\\xfcrich"}'),
        ("punycode", b'{"content": "Zrich-kva"}'),
    ],
    ids=["utf-7", "utf7", "unknown", "no charset", "nearly utf-8", "escapes", "names"],
)
async def test_letters_of_a_charset_that_is_not_read(client: ApiClient, charset: str, content: bytes) -> None:
    """Others are not put in their place in silence."""
    async with RawServer([typed(content, f"application/json; charset={charset}")]) as server:
        error = await error_of(client, server.url)
    assert isinstance(error, InvalidResponseError)
    assert error.reason == "charset"
    assert "API_UNKNOWN_CHARSET" in sentences_in(explained(error, PANEL))
