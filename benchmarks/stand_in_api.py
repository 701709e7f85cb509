"""A stand-in for the API that costs as little CPU as possible: a plain asyncio protocol, one fixed answer.

    python -m benchmarks.stand_in_api PORT

`POST` anything: the answer comes after the delay. `GET /stats`: what was asked since the last reset.
`GET /cases`: how often each case ("Case 7" in the prompt) was asked for. `GET /reset?delay=SECONDS` begins to
count anew; with `&refuse=SECONDS` all calls are refused for so long from the first one on (429 with
`Retry-After: 2`). It understands what HTTP clients send that keep their connections, no more of HTTP.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

TEXT = (
    "Thank you for your message. Your order 4711 left our warehouse on Tuesday, and the carrier expects to "
    "hand it over within two working days. Should it not be with you by Friday, please answer this message: "
    "we will "
    "then send it again, at no cost. Kind regards, the support team."
)
BODY = json.dumps(
    {
        "id": "chatcmpl-0123456789abcdefghijklmnopqr",
        "object": "chat.completion",
        "created": 1764547200,
        "model": "stand-in",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 62,
            "completion_tokens": 59,
            "total_tokens": 121,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    },
    indent=2,
).encode()


CASE = re.compile(rb"Case (\d+)")


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Write a response with a body of JSON."""
    lines = (f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


ANSWER = response(
    BODY,
    "x-request-id: req_0123456789abcdef0123456789abcdef",
    "openai-processing-ms: 987",
    "openai-version: 2020-10-01",
    "x-ratelimit-limit-requests: 10000",
    "x-ratelimit-remaining-requests: 9999",
    "x-ratelimit-limit-tokens: 30000000",
    "x-ratelimit-remaining-tokens: 29999880",
    "server: stand-in",
)
REFUSAL = response(
    b'{"error": {"message": "Rate limit reached", "type": "requests", "param": null, '
    b'"code": "rate_limit_exceeded"}}',
    "retry-after: 2",
    status="429 Too Many Requests",
)


class Counts:
    """What was asked since the last reset, and how it is answered."""

    def __init__(self, delay: float, refuse: float = 0.0) -> None:
        self.delay = delay
        self.refuse = refuse
        """Seconds from the first call on."""
        self.first_asked = 0.0
        self.cases: Counter[int] = Counter()
        self.asked = self.answered = self.refused = self.most = self.connections = 0

    def ask(self, body: bytes) -> bytes:
        """Count a call, and return what it gets."""
        now = time.monotonic()
        self.first_asked = self.first_asked or now
        self.asked += 1
        self.most = max(self.most, self.asked - self.answered)
        case = CASE.search(body)
        if case is not None:
            self.cases[int(case[1])] += 1
        if now - self.first_asked < self.refuse:
            self.refused += 1
            return REFUSAL
        return ANSWER

    def as_json(self) -> bytes:
        """Write the counts; `time` is the machine's monotonic clock in seconds."""
        return json.dumps(
            {
                "time": time.monotonic(),
                "first_asked": self.first_asked,
                "asked": self.asked,
                "answered": self.answered,
                "refused": self.refused,
                "in_flight": self.asked - self.answered,
                "most_in_flight": self.most,
                "connections": self.connections,
            }
        ).encode()


class Api:
    """What all connections share."""

    def __init__(self) -> None:
        self.counts = Counts(1.0)


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time on it."""

    transport: asyncio.Transport

    def __init__(self, api: Api) -> None:
        self._api = api
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._api.counts.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answer when the request is complete."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        if head.startswith(b"POST"):
            lower = head.lower()
            position = lower.index(b"content-length:") + len(b"content-length:")
            if len(body) < int(lower[position:].split(b"\r\n", 1)[0]):
                return
            counts = self._api.counts
            answer = counts.ask(body)
            self._loop.call_later(counts.delay, self._answer, counts, answer)
        else:
            self._tell(head.split(b" ")[1].decode())
        self._received = b""

    def _answer(self, counts: Counts, answer: bytes) -> None:
        counts.answered += 1
        self.transport.write(answer)

    def _tell(self, target: str) -> None:
        address = urlsplit(target)
        if address.path == "/reset":
            given = parse_qs(address.query)
            self._api.counts = Counts(float(given["delay"][0]), float(given.get("refuse", ["0"])[0]))
        counts = self._api.counts
        self.transport.write(
            response(json.dumps(counts.cases).encode() if address.path == "/cases" else counts.as_json())
        )


async def main(port: int) -> None:
    """Serve until the process is ended."""
    api = Api()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(api), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
