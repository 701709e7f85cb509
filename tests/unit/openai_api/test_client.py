"""The HTTP client against a real server.

What is sent, what is read, and every way in which a call may fail.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from datetime import timedelta

import pytest

from openai_connector import __version__
from openai_connector.connector import explained
from openai_connector.contract import PANEL
from openai_connector.job import Recovery
from openai_connector.openai_api import (
    ApiClient,
    ApiConnectionError,
    ApiResponseError,
    ApiStatusError,
    ApiTimeoutError,
    InvalidResponseError,
    check_answer,
    encode_body,
)
from tests.stand_in import Answer, StandIn, chat_body, deeply_nested, failure, gzipped, text_answer
from tests.unit.openai_api.conftest import ask, error_of

PAID = "may have been made and paid for"
NOT_PAID = "nothing was paid for"


# What is sent and read


async def test_a_request_as_it_comes_over_the_wire(client: ApiClient, api: StandIn) -> None:
    """Body and headers arrive as given, each header once, with the worker's name as user agent."""
    headers = {"Authorization": "Bearer k", "OpenAI-Organization": "o", "X-Client-Request-Id": "1-3-1"}
    await ask(client, api.base_url, body='{"ä":"ö"}'.encode(), headers=headers)
    [request] = api.requests
    assert request.path == "/v1/chat/completions"
    assert request.content == '{"ä":"ö"}'.encode()
    names = [name.lower() for name, _ in request.headers]
    assert len(names) == len(set(names))
    assert {name: request.header(name) for name in headers} == headers
    assert request.header("Content-Type") == "application/json"
    assert request.header("User-Agent") == f"camunda-openai-connector/{__version__}"


async def test_an_escaped_path_stays_escaped(client: ApiClient, api: StandIn) -> None:
    """A slash that is written %2F in a base URL does not become a real one."""
    await ask(client, f"{api.origin}/a%2Fb/v1")
    assert api.requests[0].path == "/a%2Fb/v1/chat/completions"


async def test_header_names_are_kept_as_received(client: ApiClient, api: StandIn) -> None:
    """Names are not lower-cased, and a repeated header is a list in order."""
    api.answer(
        Answer(
            headers=(
                ("X-Request-ID", "abc"),
                ("X-Twice", "1"),
                ("x-lower", "a"),
                ("X-Twice", "2"),
                ("X-Twice", "3"),
            )
        )
    )
    headers = (await ask(client, api.base_url)).headers
    assert headers["X-Request-ID"] == "abc"
    assert headers["X-Twice"] == ["1", "2", "3"]
    assert headers["x-lower"] == "a"


async def test_no_cookie_goes_to_the_next_call(client: ApiClient, api: StandIn) -> None:
    """Jobs share connections, but never cookies."""
    api.always(Answer(headers=(("Set-Cookie", "session=1; Path=/"),)))
    response = await ask(client, api.base_url)
    await ask(client, api.base_url)
    assert response.headers["Set-Cookie"] == "session=1; Path=/"
    assert api.connections_made == 1
    assert api.requests[1].header("Cookie") is None


async def test_connections_are_kept(client: ApiClient, api: StandIn) -> None:
    """Calls one after the other share a connection."""
    for _ in range(5):
        await ask(client, api.base_url)
    assert api.connections_made == 1


async def test_300_calls_are_really_in_flight(client: ApiClient, api: StandIn) -> None:
    """The number of connections is not limited: the worker's slots are the only limit."""
    api.hold()
    calls = [asyncio.create_task(ask(client, api.base_url, timeout=60)) for _ in range(300)]
    await api.until(lambda: api.in_flight == 300)
    for call in calls:
        call.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError)
        for each in await asyncio.gather(*calls, return_exceptions=True)
    )


@pytest.mark.parametrize("when", ["before", "body"])
async def test_a_cancelled_call_leaves_no_connection(client: ApiClient, api: StandIn, when: str) -> None:
    """Cancelling a call, before its answer or in the middle of it, closes its connection."""
    if when == "before":
        api.hold()
    else:
        api.always(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", stay=30))
    call = asyncio.create_task(ask(client, api.base_url))
    await api.until(lambda: api.in_flight == 1)
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await api.until(lambda: api.connections == 0)
    api.always(None)
    api.release()
    assert (await ask(client, api.base_url)).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        gzipped(chat_body("Hi")),
        Answer(
            content=zlib.compress(json.dumps(chat_body("Hi")).encode()),
            headers=(("Content-Encoding", "deflate"),),
        ),
        Answer(content=b"\xef\xbb\xbf" + json.dumps(chat_body("Hi")).encode()),
        Answer(
            content=json.dumps(chat_body("Hi")).encode(),
            headers=(("Content-Type", "text/plain; charset=klingon"),),
        ),
        Answer(raw=b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(chat_body("Hi")).encode()),
        Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(chat_body("Hi")).encode()),
        Answer(
            raw=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(chat_body("Hi")).encode()
        ),
    ],
    ids=["gzip", "deflate", "byte-order mark", "strange type", "HTTP/1.0", "until close", "interim answers"],
)
async def test_unusual_but_good_answers(client: ApiClient, api: StandIn, answer: Answer) -> None:
    """What HTTP allows is read."""
    api.answer(answer)
    assert (await ask(client, api.base_url)).body == chat_body("Hi")


async def test_unicode_of_all_kinds(client: ApiClient, api: StandIn) -> None:
    """Emoji, NUL and lone surrogates, raw and escaped, neither fail nor change their neighbours."""
    api.answer(Answer(content=b'{"a": "\xf0\x9f\x98\x80 \\ud83d\\ude00 \\ud800 \\u0000"}'))
    assert (await ask(client, api.base_url)).body == {"a": "😀 😀 \ud800 \x00"}


async def test_integers_beyond_64_bits_become_doubles(client: ApiClient, api: StandIn) -> None:
    """Numbers are read so that the engine can take them."""
    api.answer(Answer(content=b'{"a": [18446744073709551615, 18446744073709551616, -1e3, 0.1]}'))
    body = (await ask(client, api.base_url)).body
    assert body == {"a": [2**64 - 1, 2.0**64, -1000.0, 0.1]}
    assert [type(number) for number in body["a"]] == [int, float, float, float]


# Answers that are none


@pytest.mark.parametrize(
    ("answer", "says", "body"),
    [
        (text_answer("<h1>Hello</h1>"), "is not JSON", "<h1>Hello</h1>"),
        (text_answer("plain", "text/plain"), "is not JSON", "plain"),
        (Answer(content=b'{"a": nan}'), "is not JSON", '{"a": nan}'),
        (Answer(content=b": a comment\n"), "is not JSON", ": a comment\n"),
        (Answer(content=b'"text"'), "is not JSON", '"text"'),
        (Answer(content=b"42"), "is not JSON", "42"),
        (Answer(content=b'{"a": 1'), "is not JSON", '{"a": 1'),
        (Answer(content=b"\xff\xfe\x00"), "holds bytes that are not utf-16", "\ufffd\ufffd\x00"),
        (Answer(content=b""), "is empty (status 200)", None),
        (Answer(204), "is empty (status 204)", None),
        (Answer(body={"error": {"message": "Boom"}}), "is an error in spite of its status 200: \"Boom\"",
         {"error": {"message": "Boom"}}),
        (Answer(body={"error": "Boom"}), 'is an error in spite of its status 200: "Boom"', {"error": "Boom"}),
        (Answer(302, body={}, headers=(("Location", "/elsewhere"),)), "is a redirect (302), which is not followed", {}),
        (Answer(304), "is a redirect (304), which is not followed", None),
        (Answer(raw=b"HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\n{}"), "is no proper HTTP", {}),
        (Answer(content=b"no gzip", headers=(("Content-Encoding", "gzip"),)), "cannot be unpacked", None),
        (Answer(content=b"x", headers=(("Content-Encoding", "gzip, gzip, gzip"),)), "is packed more than 2 times", None),
        (Answer(content=b"\x8b\x05\x80", headers=(("Content-Encoding", "br"),)), "is packed as br", None),
    ],
)  # fmt: skip
async def test_no_answer_is_final_with_its_body_kept(
    client: ApiClient, api: StandIn, answer: Answer, says: str, body: object
) -> None:
    """A success without an answer is INVALID_RESPONSE: it may be paid for, so it is not asked for again."""
    api.answer(answer)
    error = await error_of(client, api.base_url)
    assert isinstance(error, InvalidResponseError)
    assert says in explained(error, PANEL)
    assert "Check" in explained(error, PANEL)
    assert (error.code, error.recovery) == ("INVALID_RESPONSE", Recovery.PERMANENT)
    assert error.response.body == body
    assert api.calls == 1


async def test_a_blank_answer_may_pass(client: ApiClient, api: StandIn) -> None:
    """Bytes without text came: the server kept the connection open, and another attempt may succeed."""
    api.answer(Answer(content=b"\n\n\n\n"))
    error = await error_of(client, api.base_url)
    assert isinstance(error, InvalidResponseError)
    assert (error.recovery, error.reason, error.response.body) == (Recovery.TRANSIENT, "blank", None)


async def test_missing_parts_are_named(client: ApiClient, api: StandIn) -> None:
    """What the operation finds missing makes the answer none."""
    response = await ask(client, api.base_url)
    with pytest.raises(InvalidResponseError, match="has no choices") as caught:
        check_answer(response, missing_in=lambda _: "choices")
    assert explained(caught.value, PANEL).endswith(
        "has no choices. Check Base URL: what answers there does not answer as OpenAI's API does"
    )


@pytest.mark.parametrize("levels", [1000, 100_000])
async def test_a_deeply_nested_answer_is_an_ordinary_error(
    client: ApiClient, api: StandIn, levels: int
) -> None:
    """Nesting that would break a parser is INVALID_RESPONSE, and the next call is fine."""
    api.answer(deeply_nested(levels))
    assert (await error_of(client, api.base_url)).code == "INVALID_RESPONSE"
    assert (await ask(client, api.base_url)).status == 200


@pytest.mark.parametrize("packed", [False, True])
async def test_a_huge_answer_is_not_read_to_its_end(api: StandIn, packed: bool) -> None:
    """More bytes than the limit, after unpacking, are final; the connection is closed."""
    content = b'"' + b"x" * 2_000_000 + b'"'
    api.answer(
        Answer(content=gzip.compress(content), headers=(("Content-Encoding", "gzip"),))
        if packed
        else Answer(content=content)
    )
    client = ApiClient(max_response_bytes=1_000_000)
    try:
        error = await error_of(client, api.base_url)
        assert "larger than 1 MB; it may have been paid for" in explained(error, PANEL)
        assert (error.code, error.recovery) == ("INVALID_RESPONSE", Recovery.PERMANENT)
        await api.until(lambda: packed or api.connections == 0)  # packed, all has come
        assert (await ask(client, api.base_url)).status == 200
    finally:
        await client.aclose()


async def test_a_huge_or_unreadable_error_goes_by_its_status(api: StandIn) -> None:
    """A 503 whose page is too large or badly packed is a 503."""
    api.answer(
        Answer(503, content=b"x" * 2000), Answer(503, content=b"x", headers=(("Content-Encoding", "gzip"),))
    )
    client = ApiClient(max_response_bytes=1000)
    try:
        for _ in range(2):
            error = await error_of(client, api.base_url)
            assert (error.code, error.recovery) == ("503", Recovery.TRANSIENT)
    finally:
        await client.aclose()


# Failures that the API reports


async def test_a_failure_has_status_words_parameter_and_advice(client: ApiClient, api: StandIn) -> None:
    """The message says what failed in the API's words, and what to do; the response is kept whole."""
    api.answer(failure(400, "Unsupported\n  value.", param="temperature", headers={"X-Request-Id": "r1"}))
    error = await error_of(client, api.base_url)
    assert isinstance(error, ApiStatusError)
    assert explained(error, PANEL) == (
        'The API answered 400 Bad Request: "Unsupported value." (parameter temperature). Correct the task\'s '
        "inputs"
    )
    assert (error.code, error.recovery) == ("400", Recovery.PERMANENT)
    assert error.response.headers["X-Request-Id"] == "r1"
    assert error.response.body["error"]["param"] == "temperature"


async def test_the_apis_words_are_shortened(client: ApiClient, api: StandIn) -> None:
    """At most 500 characters of the API's words and 100 of the parameter's name stand in a message."""
    api.answer(failure(400, "#" * 5000, param="%" * 5000))
    message = str(await error_of(client, api.base_url))
    assert message.count("#") == 500
    assert message.count("%") == 100


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "Boom"}, ': "Boom"'),
        ({"message": "Boom"}, ': "Boom"'),
        ({"detail": "Not Found"}, ': "Not Found"'),
        ({"detail": [{"msg": "x"}]}, ': "x"'),
        ({"error": {"message": 5, "code": 7, "type": [], "param": {}}}, ': "code 7"'),
        ({"error": {"message": "  "}}, ""),
        ([1], ""),
        ("text", ': "text"'),
    ],
)
async def test_errors_of_compatible_servers(
    client: ApiClient, api: StandIn, body: object, words: str
) -> None:
    """Error bodies of any shape are read as far as they say something."""
    api.answer(Answer(500, body=body))
    assert str(await error_of(client, api.base_url)) == f"The API answered 500 Internal Server Error{words}"


async def test_an_unknown_status_is_no_crash(client: ApiClient, api: StandIn) -> None:
    """Statuses beyond the known ones count by their hundreds."""
    odd = Answer(raw=b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}")
    api.answer(Answer(599, body={}), Answer(499, body={}), odd)
    errors = [await error_of(client, api.base_url) for _ in range(3)]
    assert [(e.code, e.recovery) for e in errors] == [
        ("599", Recovery.TRANSIENT),
        ("499", Recovery.TRANSIENT),
        ("999", Recovery.TRANSIENT),
    ]


async def test_nothing_is_repeated_here(client: ApiClient, api: StandIn) -> None:
    """A 429 with Retry-After is asked once: waiting is the engine's part."""
    api.answer(failure(429, headers={"Retry-After": "0"}))
    error = await error_of(client, api.base_url)
    assert (error.recovery, error.wait) == (Recovery.RATE_LIMITED, timedelta(0))
    assert api.calls == 1


@pytest.mark.parametrize("size", [100, 5_000_000])
async def test_an_error_before_the_request_is_read(client: ApiClient, size: int) -> None:
    """A server that refuses a large request without reading it is understood."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        await reader.read(size)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await error_of(client, f"http://127.0.0.1:{port}", body=b"x" * size)
    assert error.code == "413"


# Connections and timeouts


@pytest.mark.parametrize(
    "answer",
    [
        Answer(drop="before"),
        Answer(drop="headers"),
        Answer(drop="body"),
        Answer(raw=b""),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Le"),
        Answer(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{"a":'),
    ],
    ids=lambda answer: answer.drop or repr(answer.raw[:60]),
)
async def test_a_connection_that_breaks_during_the_call_may_be_paid(
    client: ApiClient, api: StandIn, answer: Answer
) -> None:
    """Once the request was sent, a broken connection is passing, and possibly paid."""
    api.answer(answer)
    error = await error_of(client, api.base_url)
    assert isinstance(error, ApiConnectionError)
    assert PAID in explained(error, PANEL)
    assert (error.code, error.recovery) == ("408", Recovery.TRANSIENT)
    assert (await ask(client, api.base_url)).status == 200
    assert api.calls == 2


async def test_a_long_header_is_read(client: ApiClient, api: StandIn) -> None:
    """Gateways send headers of more than 8 KB."""
    api.answer(Answer(headers=(("X-Policy", "a" * 20_000),)))
    assert len((await ask(client, api.base_url)).headers["X-Policy"]) == 20_000


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "http://no-such-host.invalid", "http://[::1]:1", "http://\x00/", "http://a:99999"],
)
async def test_no_connection_is_not_paid(client: ApiClient, url: str) -> None:
    """A refused connection, an unknown host or a bad address is passing, and certainly not paid."""
    error = await error_of(client, url)
    assert isinstance(error, ApiConnectionError)
    assert NOT_PAID in explained(error, PANEL)
    assert "Check Base URL" in explained(error, PANEL)
    assert (error.code, error.recovery) == ("408", Recovery.TRANSIENT)


async def test_a_server_that_is_silent_times_out(client: ApiClient, api: StandIn) -> None:
    """The timeout is for the whole call; the answer may have been paid for."""
    api.hold()
    error = await error_of(client, api.base_url, timeout=1)
    assert isinstance(error, ApiTimeoutError)
    assert "did not answer within 1 s" in explained(error, PANEL)
    assert PAID in explained(error, PANEL)
    assert (error.code, error.recovery) == ("408", Recovery.TRANSIENT)
    await api.until(lambda: api.connections == 0)


async def test_a_body_that_drips_times_out(client: ApiClient, api: StandIn) -> None:
    """Headers in time do not save an answer whose body does not end."""
    api.always(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", stay=600))
    assert isinstance(await error_of(client, api.base_url, timeout=1), ApiTimeoutError)
    await api.until(lambda: api.connections == 0)


async def test_a_server_that_does_not_read_times_out(client: ApiClient) -> None:
    """A request that cannot be sent to its end times out too."""

    async def stop_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await done.wait()
        writer.close()

    done = asyncio.Event()
    server = await asyncio.start_server(stop_reading, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert isinstance(await error_of(client, url, body=b"x" * 20_000_000, timeout=1), ApiTimeoutError)
        done.set()


async def test_a_connection_that_does_not_come_about_is_not_paid(client: ApiClient, api: StandIn) -> None:
    """A handshake that hangs is given up before the call's own timeout.

    So it is known not to be paid.
    """

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        error = await error_of(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=5)
    assert isinstance(error, ApiConnectionError)
    assert "none within 4 s" in explained(error, PANEL)
    assert NOT_PAID in explained(error, PANEL)


def test_every_failure_is_in_the_tree() -> None:
    """A response stands beside the errors that have one."""
    assert issubclass(ApiStatusError, ApiResponseError)
    assert issubclass(InvalidResponseError, ApiResponseError)


# Bodies


def test_a_body_is_compact_json() -> None:
    """No spaces, UTF-8, lone surrogates replaced."""
    assert encode_body({"a": ["ä", 1, None, True]}) == '{"a":["ä",1,null,true]}'.encode()
    assert encode_body({"\ud800": "😀\udc00"}).decode() == '{"\ufffd":"😀\ufffd"}'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_body_holds_no_nan(number: float) -> None:
    """What is no JSON cannot be sent."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_body({"a": number})


def test_a_body_nested_too_deep_is_an_ordinary_error() -> None:
    """RecursionError becomes ValueError."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deep"):
        encode_body({"a": deep})
    while deep:  # taken apart without recursion
        deep = deep.pop()  # type: ignore[assignment]
