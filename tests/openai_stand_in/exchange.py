"""One request and what is sent back, without the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.openai_stand_in.errors import ApiError
from tests.openai_stand_in.ledger import Buyer, Purchase


@dataclass(frozen=True)
class Received:
    """A request that arrived whole."""

    method: str
    path: str
    """Without the query."""
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """Their names in lower case."""
    content: bytes = b""

    @cached_property
    def json(self) -> Any:
        """The body; None: it is no JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def key(self) -> str:
        """The API key."""
        return self.headers.get("authorization", "").removeprefix("Bearer ").strip()

    def buyer(self, project: str) -> Buyer:
        """Return who asks."""
        metadata = self.json.get("metadata") if isinstance(self.json, dict) else None
        found = metadata if isinstance(metadata, dict) else {}
        return Buyer(project, self.key, self.headers.get("x-client-request-id", ""), found)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back."""

    body: Any = None
    status: int = 200
    kind: str = ""
    """Which of the published types it is; empty: it has none."""
    content: bytes | None = None
    """Bytes in place of a body, sent in pieces."""
    headers: Mapping[str, str] = field(default_factory=dict)
    purchases: Sequence[Purchase] = ()
    """What is handed out with it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A reply that there is only later; what makes it is called then."""

    until: float
    then: Callable[[], Reply]


def refusal(error: ApiError) -> Reply:
    """Return the reply that an error is."""
    return Reply(error.body(), error.status, "error", headers=error.headers)


def page(
    items: Sequence[dict[str, Any]], *, limit: int, after: str | None, most: int = 100
) -> dict[str, Any]:
    """Return one page of a list.

    Raises:
        ApiError: it cannot be that long, or does not begin there.
    """
    if not 1 <= limit <= most:
        raise ApiError(400, f"Invalid 'limit': must be between 1 and {most}.", param="limit")
    names = [item["id"] for item in items]
    if after is not None and after not in names:
        raise ApiError(400, f"Invalid 'after': no such object '{after}'.", param="after")
    begin = names.index(after) + 1 if after is not None else 0
    found = list(items[begin : begin + limit])
    return {
        "object": "list",
        "data": found,
        "first_id": found[0]["id"] if found else None,
        "last_id": found[-1]["id"] if found else None,
        "has_more": begin + limit < len(items),
    }
