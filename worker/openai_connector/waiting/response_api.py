"""The requests about one response of OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from openai_connector.document import parse_json
from openai_connector.job import Job
from openai_connector.openai_api.client import encode_body
from openai_connector.tasks.task_type import AnswerNeeded, Request

FINAL: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""A response of such a status does not change any more."""
WINDOWS: Final[Mapping[AnswerNeeded, str]] = {AnswerNeeded.WITHIN_2H: "2h", AnswerNeeded.WITHIN_8H: "8h"}
CONNECTOR: Final = "camunda-openai-connector"
FINGERPRINT_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class Target:
    """Where the responses of one key are."""

    url: str = field(repr=False)
    """That they were asked at."""
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    @classmethod
    def of(cls, request: Request) -> Target:
        """Return where a request's response is."""
        return cls(request.url, tuple(request.headers.items()))

    def address(self, id_: str, more: str = "") -> str:
        """Return the address of a response, or of what can be done with it."""
        path, mark, query = self.url.partition("?")
        return f"{path.rstrip('/')}/{quote(id_, safe='')}{more}{mark}{query}"


def in_background(request: Request, job: Job) -> Request:
    """Return a request whose answer is made in the background, and kept until it is fetched."""
    body: dict[str, Any] = parse_json((request.body or b"{}").decode())
    own = {
        "job": str(job.key),
        "fingerprint": request.fingerprint[:FINGERPRINT_CHARACTERS],
        "connector": CONNECTOR,
    }
    metadata = body.get("metadata")
    body |= {
        "background": True,
        "store": True,
        "metadata": own | (metadata if isinstance(metadata, dict) else {}),
    }
    if (window := WINDOWS.get(request.needed)) is not None:
        body["background_options"] = {"completion_window": window}
    return replace(request, body=encode_body(body))
