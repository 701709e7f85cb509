"""Ask the stand-in without a wire, in a time that stands still until it is moved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.exchange import Received, Reply, Wait

KEY = "sk-of-a-test"
BOUNDARY = "fence"


class Asker:
    """Asks one stand-in.

    Args:
        api: whose clock stands still (`scale=0`).
        key: who asks.
    """

    def __init__(self, api: OpenAI, key: str = KEY) -> None:
        self.api = api
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Reply:
        """Return the reply, moving time on until it is there."""
        content = b"" if body is None else json.dumps(body).encode()
        return self._ripe(Received(method, f"/v1{path}", tuple(query.items()), self._headers, content))

    def get(self, path: str, **query: str) -> Any:
        """Return the body of a reply that must be good."""
        return _good(self.ask("GET", path, **query))

    def post(self, path: str, body: Any = None) -> Any:
        """Return the body of a reply that must be good."""
        return _good(self.ask("POST", path, body))

    def delete(self, path: str) -> Any:
        """Return the body of a reply that must be good."""
        return _good(self.ask("DELETE", path))

    def upload(self, content: bytes, **fields: str) -> Reply:
        """Upload a file for batches."""
        form = {"purpose": "batch", **fields}
        parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in form.items()]
        parts.append(b'name="file"; filename="in.jsonl"\r\n\r\n' + content)
        fence = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
        whole = b"".join(fence + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()
        headers = self._headers | {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self._ripe(Received("POST", "/v1/files", (), headers, whole))

    def batch(self, lines: Iterable[Mapping[str, Any]], endpoint: str = "/v1/chat/completions") -> Any:
        """Upload lines and begin a batch of them."""
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        file = _good(self.upload(content))
        return self.post("/batches", {"input_file_id": file["id"], **window(endpoint)})

    def lines(self, file: str | None) -> list[dict[str, Any]]:
        """Read a file of lines; an empty list where there is none."""
        if file is None:
            return []
        content = self.ask("GET", f"/files/{file}/content").content
        assert content is not None
        return [json.loads(line) for line in content.splitlines()]

    def _ripe(self, received: Received) -> Reply:
        reply = self.api.handle(received)
        if isinstance(reply, Wait):
            self.api.advance(reply.until - self.api.world.now)
            reply = reply.then()
        return reply


def window(endpoint: str) -> dict[str, str]:
    """Return what a batch needs besides its file."""
    return {"endpoint": endpoint, "completion_window": "24h"}


def chat_line(custom_id: str, prompt: str, **body: Any) -> dict[str, Any]:
    """Return a line that asks for a chat completion."""
    messages = [{"role": "user", "content": prompt}]
    whole = {"model": "gpt-6-luna", "messages": messages, **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": whole}


def background(prompt: str, **more: Any) -> dict[str, Any]:
    """Return a request for a response in the background."""
    return {"model": "gpt-6-luna", "input": prompt, "background": True, "store": True, **more}


def windowed(prompt: str, length: str, **more: Any) -> dict[str, Any]:
    """Return a request for a response within a window."""
    return background(prompt, background_options={"completion_window": length}, **more)


def text_of_response(response: Mapping[str, Any]) -> str:
    """Return the text of a response."""
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    )


def _good(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return reply.body
