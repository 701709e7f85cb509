"""What a call has bought: the tokens of its answer, and what they cost as it was served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from openai_connector import wording
from openai_connector.money import Cost, Prices, Unpriced, Used, record_of
from openai_connector.observe.events import Call, Spent
from openai_connector.openai_api import ApiResponse
from openai_connector.tasks.operations.tokens import tokens_of
from openai_connector.tasks.task_type import COST, AnswerNeeded, Request

STANDARD: Final = "standard"
WAITED: Final[Mapping[AnswerNeeded, str]] = {
    AnswerNeeded.WITHIN_2H: "2h",
    AnswerNeeded.WITHIN_8H: "8h",
    AnswerNeeded.WITHIN_A_DAY: "batch",
}
"""The tiers of answers that can wait; their responses name the standard one all the same."""
_TIERS: Final = {"default": STANDARD, "fast": "priority"}
"""Where prices have another word for what `service_tier` says."""
_UNTOLD: Final = ("", "auto")
_ANSWERS: Final = ("choices", "output", "results", "data")
"""Keys of a body with an answer, by operation and API."""
_OPERATIONS: Final = {
    "completions": "chat",
    "responses": "chat",
    "moderations": "moderation",
    "embeddings": "embeddings",
    "generations": "image_generation",
    "edits": "image_edit",
    "speech": "speech",
    "transcriptions": "transcription",
    "translations": "translation",
}
OTHER: Final = "other"


def operation_of(url: str) -> str:
    """Return what a request asks for, by the last word of its path; `other` where that is not known."""
    return _OPERATIONS.get(urlsplit(url).path.rstrip("/").rpartition("/")[2], OTHER)


def host_of(url: str) -> str:
    """Return the host of an address, with its port where one is given."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def call_of(request: Request) -> Call:
    """Return what is asked, as far as it may be shown."""
    return Call(operation_of(request.url), request.model, host_of(request.url))


class Bill(NamedTuple):
    """What an answer has used, and what that cost."""

    used: Used
    cost: Cost | Unpriced
    is_told: bool
    """The answer says how many tokens it used, or is free."""
    is_answer: bool
    """The body has what an answer has, and not an error or a page of something in between."""

    @property
    def spent(self) -> Spent:
        """What events tell of it."""
        if isinstance(self.cost, Unpriced):
            return Spent(reason=self.cost.reason if self.is_answer else "")
        return Spent(self.cost.amount, self.cost.currency, self.used.tier)

    def of(self, kept: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is kept of an answer, with its cost."""
        return {**kept, COST: record_of(self.cost)}


def billed(kept: Mapping[str, Any], bill: Bill | None) -> Mapping[str, Any]:
    """Return what is kept of an answer, with its cost where it has a bill."""
    return kept if bill is None else bill.of(kept)


class Bills:
    """Says what answers cost.

    Args:
        prices: that are known.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    def of(self, request: Request, response: ApiResponse) -> Bill | None:
        """Return what a response cost that is final; None: its request buys nothing."""
        is_purchase = request.method == "POST" and operation_of(request.url) != OTHER
        if not is_purchase or not 200 <= response.status < 300:
            return None
        body = response.body if isinstance(response.body, dict) else {}
        usage, model = body.get("usage"), body.get("model")
        tokens = tokens_of(usage)
        used = Used(
            model if isinstance(model, str) and model else request.model,
            host_of(request.url),
            tokens["input"],
            tokens["output"],
            tokens["cached"],
            tokens["cacheWrite"],
            tier_of(request, body.get("service_tier")),
        )
        cost = self._prices.cost(used)
        if _is_kept_for_long(usage) and isinstance(cost, Cost) and cost.amount:
            cost = Unpriced(wording.TOKENS_UNPRICED(model=used.model, tokens="12-hour cache write"))
        is_told = isinstance(usage, dict) or isinstance(cost, Cost)
        return Bill(used, cost, is_told, is_told or any(body.get(name) for name in _ANSWERS))


def _is_kept_for_long(usage: Any) -> bool:
    """Check whether input was written to a cache for longer than half an hour: its price is another."""
    for part in ("input_tokens_details", "cache_write_tokens_details", "ttl_12h_tokens"):
        usage = usage.get(part) if isinstance(usage, dict) else None
    return bool(usage)


def tier_of(request: Request, served: Any) -> str:
    """Return how an answer was served: by when it was needed, as it says, or as it was asked for."""
    if request.needed in WAITED:
        return WAITED[request.needed]
    for told in (served, request.service_tier):
        name = told.strip().lower() if isinstance(told, str) else ""
        if name not in _UNTOLD:
            return _TIERS.get(name, name)
    return STANDARD
