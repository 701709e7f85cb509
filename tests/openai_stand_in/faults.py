"""How the API and the wire misbehave: by seed, or as a test chooses."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from tests.openai_stand_in.errors import ApiError

Kind = Literal[
    "",
    "429 with a hint",
    "429",
    "429 to slow down",
    "429 out of credit",
    "500",
    "503",
    "reset unread",
    "reset before",
    "reset after",
    "hang",
    "hang after",
    "cut",
    "slow",
]
"""
* `reset unread`: the connection breaks before the body is read; nothing is done. `OpenAI.drops_unread` chooses it.
* `reset before`: it breaks when the request is there whole; nothing is done.
* `reset after`: it breaks when all is done and bought, and nothing is sent.
* `hang`: nothing is done and nothing sent. `hang after`: all is done, and nothing sent.
* `cut`: half of the answer is sent, then the connection breaks.
* `slow`: the answer is sent so many seconds later.
"""
WAYS: Final[Mapping[Kind, int]] = {
    "429 with a hint": 3,
    "429": 1,
    "429 to slow down": 1,
    "500": 2,
    "503": 2,
    "reset before": 2,
    "reset after": 2,
    "cut": 1,
    "slow": 2,
}
"""How often which of them happens by seed; what hangs is left to those who can wait."""


class Way(NamedTuple):
    """What happens to one call."""

    kind: Kind = ""
    seconds: float = 0
    """Of ours, for `slow`."""


@dataclass(slots=True)
class Call:
    """One request, as a fault is chosen for it."""

    endpoint: str
    """Such as `GET /v1/responses/{id}`."""
    path: str
    key: str
    """The API key: who asks, where each has a key of its own."""
    request_id: str
    prompt: str = ""
    """Of what is asked; empty while the body is unread, and where there is none."""
    nth: int = 0
    """How often this has been asked: the same prompt, or else the same path."""
    arrived: float = 0
    """Our seconds since the epoch."""
    way: Kind = ""
    status: int = 0
    """What was sent; 0: nothing."""


Choose = Callable[[Call], Way]


def never(call: Call) -> Way:
    """Let nothing go wrong."""
    return Way()


def by_seed(
    seed: int,
    share: float,
    *,
    ways: Mapping[Kind, int] = WAYS,
    endpoints: Collection[str] | None = None,
    slow: float = 1.0,
) -> Choose:
    """Return what lets a share of the calls go wrong.

    Args:
        seed: what happens follows from it, and from what is asked how often.
        share: between 0 and 1.
        ways: what may happen, and how often.
        endpoints: where; None: everywhere.
        slow: seconds that `slow` takes.
    """

    def choose(call: Call) -> Way:
        dice = random.Random(f"{seed}/{call.endpoint}/{call.prompt or call.path}/{call.nth}")
        if (endpoints is not None and call.endpoint not in endpoints) or dice.random() >= share:
            return Way()
        return Way(dice.choices(list(ways), list(ways.values()))[0], slow)

    return choose


def unread_by_seed(seed: int, share: float) -> Callable[[Call], bool]:
    """Return what breaks a share of the connections before the body is read."""
    return lambda call: (
        random.Random(f"unread/{seed}/{call.path}/{call.request_id}/{call.nth}").random() < share
    )


def refused(way: Way) -> ApiError | None:
    """Return the error that a way is."""
    match way.kind:
        case "429 with a hint":
            return _limit("Rate limit reached.", "rate_limit_exceeded", {"retry-after": "1"})
        case "429":
            return _limit("Rate limit reached.", "rate_limit_exceeded", {})
        case "429 to slow down":
            return _limit("Slow down.", "slow_down", {"retry-after-ms": "500", "retry-after": "1"})
        case "429 out of credit":
            message = "You have no credit left."
            return ApiError(429, message, code="credit_balance_exhausted", kind="insufficient_quota")
        case "500":
            return ApiError(500, "The server had an error.", code="server_error", kind="server_error")
        case "503":
            kind = "service_unavailable_error"
            return ApiError(503, "The server is overloaded.", code="server_is_overloaded", kind=kind)
    return None


def _limit(message: str, code: str, headers: Mapping[str, str]) -> ApiError:
    return ApiError(429, message, code=code, kind="rate_limit_error", headers=headers)
