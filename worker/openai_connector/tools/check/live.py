"""What only OpenAI itself can tell: small calls with a key, and what came back. It has never run with one.

Each question is what the documentation leaves open. What is reported are facts: status, code, fields.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, Final

from openai_connector.openai_api import ApiClient, ApiError, ApiResponse
from openai_connector.tools.check.findings import Finding, Verdict, ok

MODEL: Final = "gpt-6-luna"
LONG: Final = 2000
"""Tokens of the two answers that must run for a while; they are cancelled."""
SHORT: Final = 16
PRICE: Final = (
    f"This asks OpenAI for at most {2 * LONG + 3 * SHORT} output tokens and about 500 input tokens of "
    f"{MODEL}: less than 0.01 USD at 0.10 and 0.50 USD a million (reported on 1 October 2026; your price may "
    "be another). It makes a conversation, responses and a stored completion, and deletes them."
)
PATIENCE: Final = 30.0
"""Seconds to wait for what may come late."""
PAUSE: Final = 1.0


class Caller:
    """Asks with the key, and says briefly what came back."""

    def __init__(
        self, client: ApiClient, base_url: str, key: str, *, pause: float = PAUSE, patience: float = PATIENCE
    ) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}
        self._pause, self._patience = pause, patience

    async def __call__(self, method: str, path: str, body: Any = None) -> ApiResponse:
        """Send one request."""
        content = None if body is None else json.dumps(body).encode()
        timeout = timedelta(seconds=60)
        return await self._client.send(
            method, self._base_url + path, body=content, headers=self._headers, timeout=timeout
        )

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> str:
        """Wait until something holds; return how long that took."""
        begun = monotonic()
        while monotonic() - begun < self._patience:
            if await is_so():
                return f"after {monotonic() - begun:.1f} s"
            await asyncio.sleep(self._pause)
        return f"not within {self._patience:g} s"


def brief(response: ApiResponse) -> str:
    """Return status, code and the wait that is asked for; never a text."""
    error = _of(response, "error")
    parts = [str(response.status)]
    if isinstance(error, dict):
        parts += [f"{name} {error[name]}" for name in ("code", "type", "param") if error.get(name)]
    state = _of(response, "status")
    if isinstance(state, str):
        parts.append(f"state {state}")
    wait = response.header("retry-after")
    return ", ".join([*parts, f"Retry-After {wait}" if wait else "no Retry-After"])


def _of(response: ApiResponse, name: str) -> Any:
    return response.body.get(name) if isinstance(response.body, dict) else None


def _response(conversation: str, tokens: int, *, background: bool) -> dict[str, Any]:
    text = "Count from 1 to 1000 in words." if background else "Explain tides."
    return {
        "model": MODEL,
        "input": text,
        "conversation": conversation,
        "max_output_tokens": tokens,
        "background": background,
        "store": True,
    }


async def lock(call: Caller) -> AsyncIterator[str]:
    """Look at a conversation whose response runs in the background, and at what a cancel leaves."""
    conversation = str(_of(await call("POST", "/conversations", {}), "id"))
    items = f"/conversations/{conversation}/items"
    first = await call("POST", "/responses", _response(conversation, LONG, background=True))
    yield f"first: {brief(first)}"
    second = await call("POST", "/responses", _response(conversation, LONG, background=True))
    yield f"second while it runs: {brief(second)}"
    yield f"items read while it runs: {brief(await call('GET', items))}"
    for one in (first, second):
        if one.status < 300:
            cancelled = await call("POST", f"/responses/{_of(one, 'id')}/cancel", {})
            usage = json.dumps(_of(cancelled, "usage"))
            yield f"cancelled: {brief(cancelled)}, usage {usage} (the bill is in the account)"

    async def is_free() -> bool:
        third = await call("POST", "/responses", _response(conversation, SHORT, background=False))
        return third.status != 400

    kept = _of(await call("GET", items), "data")
    yield f"items after the cancel: {len(kept) if isinstance(kept, list) else 'none told'}"
    yield f"free again: {await call.until(is_free)}"
    yield f"deleted: {brief(await call('DELETE', f'/conversations/{conversation}'))}"


async def incomplete(call: Caller) -> AsyncIterator[str]:
    """Look at the items that a cut off response leaves in a conversation."""
    conversation = str(_of(await call("POST", "/conversations", {}), "id"))
    yield brief(await call("POST", "/responses", _response(conversation, SHORT, background=False)))
    kept = _of(await call("GET", f"/conversations/{conversation}/items"), "data")
    roles = [one.get("role", one.get("type")) for one in kept] if isinstance(kept, list) else kept
    yield f"items: {roles}"
    yield f"deleted: {brief(await call('DELETE', f'/conversations/{conversation}'))}"


async def unknown(call: Caller) -> AsyncIterator[str]:
    """Ask for a response and a model that there are not; nothing is bought."""
    yield f"response: {brief(await call('GET', '/responses/resp_0000000000000000'))}"
    body = {"model": "no-such-model", "input": "Hello", "max_output_tokens": SHORT}
    yield f"model: {brief(await call('POST', '/responses', body))}"


async def stored(call: Caller) -> AsyncIterator[str]:
    """Store a chat completion, and wait until it is listed."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_completion_tokens": SHORT,
        "store": True,
    }
    made = await call("POST", "/chat/completions", body)
    yield brief(made)
    name = _of(made, "id")
    if made.status >= 300:
        return

    async def is_listed() -> bool:
        found = _of(await call("GET", f"/chat/completions?model={MODEL}&order=desc&limit=20"), "data")
        return isinstance(found, list) and any(
            isinstance(one, dict) and one.get("id") == name for one in found
        )

    yield f"listed: {await call.until(is_listed)}"
    yield f"deleted: {brief(await call('DELETE', f'/chat/completions/{name}'))}"


async def decisions(call: Caller) -> AsyncIterator[str]:
    """Ask for a decision of a model that there is not, and for one of too many levels."""
    question = {"type": "predicate", "instructions": "It is a greeting."}
    body = {"model": "no-such-model", "input": "Hello", "questions": [question]}
    yield f"model: {brief(await call('POST', '/decisions', body))}"
    levels = [{"label": str(number)} for number in range(100)]
    question = {"type": "score", "instructions": "How kind it is.", "levels": levels}  # type: ignore[dict-item]
    answer = await call("POST", "/decisions", {"model": MODEL, "input": "Hello", "questions": [question]})
    limits = [name for name in answer.headers if name.lower().startswith("x-ratelimit")]
    yield f"100 levels: {brief(answer)}, headers of limits: {', '.join(limits) or 'none'}"


@dataclass(frozen=True, slots=True)
class Question:
    """One open question, and how it is asked."""

    name: str
    ask: Callable[[Caller], AsyncIterator[str]]


QUESTIONS: Final = (
    Question("live-unknown", unknown),
    Question("live-decisions", decisions),
    Question("live-incomplete", incomplete),
    Question("live-stored", stored),
    Question("live-lock", lock),
)


async def ask_everything(call: Caller) -> list[Finding]:
    """Ask each question; one that fails does not keep the others from being asked."""
    findings: list[Finding] = []
    for question in QUESTIONS:
        try:
            async for fact in question.ask(call):
                findings.append(ok(question.name, fact))
        except ApiError as error:
            advice = "Ask again later; look in the account for what was not deleted"
            findings.append(Finding(question.name, Verdict.WARNING, str(error), advice))
    return findings
