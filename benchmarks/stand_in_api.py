"""A stand-in for the API that costs as little CPU as possible: a plain asyncio protocol, one fixed answer.

    python -m benchmarks.stand_in_api PORT

`POST` anything: the answer comes after the delay. `GET /stats`: what was asked since the last reset.
`GET /reset?delay=SECONDS`: begin to count anew. It understands what httpx and the connector send, no more of
HTTP.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
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


def response(body: bytes, *headers: str) -> bytes:
    """Write a response with a body of JSON."""
    lines = ("HTTP/1.1 200 OK", "content-type: application/json", f"content-length: {len(body)}", *headers)
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


class Counts:
    """What was asked since the last reset, and the delay of the answers in seconds."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.asked = self.answered = self.most = self.connections = 0

    def as_json(self) -> bytes:
        """Write the counts; `time` is the machine's monotonic clock in seconds."""
        return json.dumps(
            {
                "time": time.monotonic(),
                "asked": self.asked,
                "answered": self.answered,
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
            counts.asked += 1
            counts.most = max(counts.most, counts.asked - counts.answered)
            self._loop.call_later(counts.delay, self._answer, counts)
        else:
            self._tell(head.split(b" ")[1].decode())
        self._received = b""

    def _answer(self, counts: Counts) -> None:
        counts.answered += 1
        self.transport.write(ANSWER)

    def _tell(self, target: str) -> None:
        address = urlsplit(target)
        if address.path == "/reset":
            self._api.counts = Counts(float(parse_qs(address.query)["delay"][0]))
        self.transport.write(response(self._api.counts.as_json()))


async def main(port: int) -> None:
    """Serve until the process is ended."""
    api = Api()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(api), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
