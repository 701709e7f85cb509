"""One maker each for what many tests need.

A job, an API without a network, a connector, a worker, an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from openai_connector.connector import Connector
from openai_connector.job import OWN_SLOT, Job, Outcome, Recovery, Slot
from openai_connector.observe.events import Events
from openai_connector.openai_api import ApiClient, ApiError, ApiResponse, ApiStatusError
from openai_connector.outcome.retry_policy import RetryPolicy
from openai_connector.purchases import Purchases
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.secrets import EnvironmentSecrets
from openai_connector.wording import SENTENCES

ANSWER = {
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"total_tokens": 3},
}
PROMPT = "What is the capital of the country that I told you about in confidence?"
KEY = "sk-very-secret-key"
BASE_URL = "https://llm.example.com/v1"


def job(headers: Mapping[str, str] | None = None, *, retries: int = 3, key: int = 7, **inputs: Any) -> Job:
    """Make a chat task's job; inputs are named without their prefix."""
    given = {"operation": "chat", "model": "m", "prompt": PROMPT, "apiKey": "{{secrets.KEY}}", **inputs}
    variables = {f"openai_{name}": value for name, value in given.items()}
    return bare_job(headers, retries=retries, key=key, variables=variables)


def bare_job(
    headers: Mapping[str, str] | None = None,
    *,
    retries: int = 3,
    key: int = 7,
    variables: Mapping[str, Any] | None = None,
) -> Job:
    """Make a job with these variables and no others."""
    return Job(
        key=key,
        type="openai-connector:1",
        process_instance_key=1,
        process_definition_key=2,
        bpmn_process_id="p",
        element_id="Ask",
        element_instance_key=5,
        retries=retries,
        tenant_id="<default>",
        headers=headers or {},
        variables=variables or {},
    )


@dataclass
class FakeApi(ApiClient):
    """Answers from a list (the last one again and again) and remembers what it was asked."""

    answers: list[ApiResponse | ApiError] = field(
        default_factory=lambda: [ApiResponse(200, {"X-Id": "1"}, ANSWER)]
    )
    requests: list[dict[str, Any]] = field(default_factory=list)

    async def send(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Answer."""
        asked = {"method": method, "url": url, "body": json.loads(body or b"null"), "headers": dict(headers)}
        self.requests.append(asked | {"timeout": timeout})
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, ApiError):
            raise answer
        return answer


def tasks() -> OpenAiTasks:
    """Make a task type with one secret, `KEY`, and a worker's own key."""
    secrets = EnvironmentSecrets("SECRET_", {"SECRET_KEY": KEY})
    return OpenAiTasks(ApiDefaults(BASE_URL, "worker-key"), AllowedHosts(["llm.example.com"]), secrets)


def connector(
    api: ApiClient, *, events: Events | None = None, purchases: Purchases | None = None, **waits: Any
) -> Connector:
    """Make a connector; `waits` are those of `RetryPolicy`."""
    return Connector(api, tasks(), retry_policy=RetryPolicy(**waits), purchases=purchases, events=events)


Handle = Callable[[Job], Awaitable[Outcome]]


class WorkerOf(Connector):
    """A connector whose work is a function; all other decisions are the connector's own."""

    def __init__(
        self, handle: Handle, needed: Callable[[Job], timedelta] = lambda _job: timedelta(0)
    ) -> None:
        super().__init__(FakeApi(), tasks())
        self._handle = handle
        self._needed = needed

    async def work(self, job: Job, slot: Slot = OWN_SLOT) -> Outcome:
        """Call the function."""
        return await self._handle(job)

    def time_needed(self, job: Job) -> timedelta:
        """Return what the function says."""
        return self._needed(job)


def refused(status: int, wait: timedelta | None = None, words: str = "") -> ApiStatusError:
    """Make what the client raises for a status."""
    recovery = Recovery.TRANSIENT if status >= 500 else Recovery.PERMANENT
    return ApiStatusError(
        f"The API answered {status}: {words}",
        code=str(status),
        recovery=recovery if wait is None else Recovery.RATE_LIMITED,
        reason="5xx" if status >= 500 else "4xx",
        response=ApiResponse(status, {}, {"error": {"message": words}}),
        wait=wait,
    )


def sentences_in(message: str) -> set[str]:
    """Return the ids of the sentences that a message is made of."""
    return {name for name, sentence in SENTENCES.items() if _pattern(sentence.text).search(message)}


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"(?<!\{)\{[a-z_]+\}(?!\})", text)
    literal = [re.escape(part.replace("{{", "{").replace("}}", "}")) for part in parts]
    return re.compile(".*?".join(literal), re.DOTALL)
