"""What a call may cost at most, before it is sent, and what it came to, after: for totals and budgets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from openai_connector import wording
from openai_connector.bills import OTHER, Bill, host_of, operation_of, tier_of
from openai_connector.job import Job
from openai_connector.money import Cost, Prices, Unpriced, Used
from openai_connector.money.budgets import REFUSE, Budget, Budgets
from openai_connector.openai_api import ApiError
from openai_connector.store.charges import Charge, Drop, Entry, Limit, Lose, Pay, Wait
from openai_connector.tasks.task_type import Request

log = logging.getLogger(__name__)

NO_OUTPUT: Final = ("embeddings", "moderation")
OUTPUT_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
MAX_TOKENS: Final = 16_384
"""Output tokens of a choice that are reserved where the request has no limit."""
IMAGE_TOKENS: Final = 50_000
"""Reserved for an image whose size is not known: more than any model counts."""
FILE_TOKENS: Final = 400_000
"""Reserved for what the request only names: a file, a conversation, an earlier response."""
_REFERENCES: Final = ("previous_response_id", "conversation", "prompt")
_IMAGES: Final = ("image_url", "input_image")
_FILES: Final = ("file", "input_file", "input_audio", "item_reference")
_UNSENT: Final = frozenset({"no_connection", "no_tunnel", "tls", "tls_issuer", "proxy_password"})
"""Reasons of errors after which surely nothing was bought."""
_GATEWAY_GAVE_UP: Final = frozenset({408, 460, 499, 502, 504, 520, 522, 524})
"""Statuses of what stands in between: the API may have made the answer all the same."""
_LABEL: Final = 200
"""Characters of a model's name that are kept."""


class Spending:
    """Knows what calls may cost, and which budgets they count on.

    Args:
        prices: that are known.
        budgets: that must hold; None: there are none.
        max_tokens: reserved where a request has no limit of its own.
        has_store: what is spent is counted in a store.
        today: tells the time.
    """

    def __init__(
        self,
        prices: Prices,
        budgets: Budgets | None = None,
        *,
        max_tokens: int = MAX_TOKENS,
        has_store: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.prices = prices
        """At which answers are paid, too."""
        self._budgets = budgets
        self._max_tokens = max_tokens
        self._has_store = has_store
        self._now = now
        self._warned: set[tuple[str, str]] = set()

    def purchase(self, request: Request, job: Job, id_: str | None = None) -> Purchase:
        """Return a purchase that is about to be made; its charge is None where nobody counts it."""
        if self._budgets is None and not self._has_store:
            return Purchase()
        if request.method != "POST" or operation_of(request.url) == OTHER:
            return Purchase()
        cost = self.most(request)
        amount = None if isinstance(cost, Unpriced) else cost.amount
        currency = "" if isinstance(cost, Unpriced) else cost.currency
        limits = tuple(self._limits(request, job, cost))
        charge = Charge(
            id_ or uuid4().hex,
            job.key,
            job.bpmn_process_id,
            job.element_id,
            storable(request.model),
            job.tenant_id,
            amount,
            currency,
            limits,
        )
        return Purchase(charge)

    def most(self, request: Request) -> Cost | Unpriced:
        """Return what a call may cost at most.

        A token is at least one byte of the text, and the body has more bytes than the text: no model counts
        more tokens of what stands in it.
        """
        content = request.content or {}
        given = len(request.body or b"") + _beside(content)
        made = 0 if operation_of(request.url) in NO_OUTPUT else self._output(content)
        used = Used(
            request.model,
            host_of(request.url),
            given,
            made,
            tier=tier_of(request, content.get("service_tier")),
        )
        cost = self._dearer(used)
        return cost if isinstance(cost, Cost) else self._longest(used, cost)

    def _dearer(self, used: Used) -> Cost | Unpriced:
        """Return the cost of input that is written to a cache, or of plain one where that is dearer."""
        costs = [self.prices.cost(used), self.prices.cost(replace(used, cache_write=used.input))]
        known = [cost for cost in costs if isinstance(cost, Cost)]
        return max(known, key=lambda cost: cost.amount) if known else costs[0]

    def _longest(self, used: Used, unknown: Unpriced) -> Cost | Unpriced:
        """Return the cost of the longest input whose price is known: what is longer has none."""
        least, most = 0, used.input or 0
        found: Cost | Unpriced = self._dearer(replace(used, input=least))
        while isinstance(found, Cost) and most - least > 1:
            middle = (least + most) // 2
            cost = self._dearer(replace(used, input=middle))
            if isinstance(cost, Cost):
                found, least = cost, middle
            else:
                most = middle
        return found if isinstance(found, Cost) else unknown

    def _output(self, content: Mapping[str, Any]) -> int:
        limits = [value for name in OUTPUT_LIMITS if (value := _count(content.get(name))) is not None]
        choices = max(_count(content.get("n")) or 1, 1)
        return choices * (max(limits) if limits else self._max_tokens)

    def _limits(self, request: Request, job: Job, cost: Cost | Unpriced) -> Iterator[Limit]:
        today = self._now().date()
        for budget in self._budgets or ():
            if not budget.is_for(job.bpmn_process_id, request.credentials):
                continue
            is_priced = isinstance(cost, Cost) and cost.currency == budget.currency
            if not is_priced:
                self._warn(budget, request)
            is_refused = not is_priced and budget.unpriced == REFUSE
            yield Limit(budget.key(today), budget.amount, budget.currency, is_refused, is_priced)

    def _warn(self, budget: Budget, request: Request) -> None:
        """Say once of each model that a budget cannot count it."""
        named = _named(request)
        known = (budget.name, named)
        if known not in self._warned and len(self._warned) < 1000:
            self._warned.add(known)
            log.warning("%s", wording.BUDGET_UNPRICED(budget=budget.name, model=named))


@dataclass(slots=True)
class Purchase:
    """One call, from what it may cost to what it came to."""

    charge: Charge | None = None
    is_sent: bool = False
    is_accepted: bool = False
    """It is made at the API, and is only looked for since: no trouble of a look makes it free."""
    is_elsewhere: bool = False
    """Another worker has the answer: this one bought nothing."""
    bill: Bill | None = None
    """What the answer has used."""

    def waits(self, next_id: str) -> Entry | None:
        """Return the entry of an answer that is made elsewhere."""
        return None if self.charge is None else Wait(self.charge, next_id)

    def ended(self, error: BaseException | None = None) -> Entry | None:
        """Return the entry of a call that has ended, with an error or without."""
        if self.charge is None:
            return None
        if self.is_elsewhere or not self.is_sent:
            return Drop(self.charge)
        if self.bill is not None and (error is None or self.bill.is_told):
            return paid(self.charge, self.bill)
        is_free = not self.is_accepted and _is_surely_free(error)
        return Drop(self.charge) if is_free else Lose(self.charge)


def paid(charge: Charge, bill: Bill) -> Pay:
    """Return the entry of an answer."""
    amount: Decimal | None = None
    currency = ""
    if isinstance(bill.cost, Cost):
        amount, currency = bill.cost.amount, bill.cost.currency
    model = charge.model or storable(bill.used.model)
    own = replace(charge, amount=amount, currency=currency, model=model)
    return Pay(own, bill.used.input or 0, bill.used.output or 0)


def storable(text: str) -> str:
    """Return a text that every database takes: not too long, no half of a character, no NUL."""
    return text[:_LABEL].encode("utf-8", "replace").decode().replace("\0", "?")


def _is_surely_free(error: BaseException | None) -> bool:
    if not isinstance(error, ApiError):
        return False
    if error.response is not None:
        return error.response.status >= 400 and error.response.status not in _GATEWAY_GAVE_UP
    return error.reason in _UNSENT


def _named(request: Request) -> str:
    """Return how a request's model is called, or what is known of one that names none."""
    if request.model:
        return wording.THE_MODEL(model=request.model[:_LABEL])
    _, _, rest = urlsplit(request.url).path.partition("/deployments/")
    deployment = unquote(rest.partition("/")[0])[:_LABEL]
    return wording.THE_DEPLOYMENT(deployment=deployment) if deployment else wording.NO_MODEL()


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _beside(content: Mapping[str, Any]) -> int:
    """Return the tokens of what a request names and does not hold, at most."""
    tokens = sum(FILE_TOKENS for name in _REFERENCES if content.get(name) is not None)
    waiting: list[Any] = [content.get("messages"), content.get("input")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, Mapping):
            kind = value.get("type")
            tokens += IMAGE_TOKENS if kind in _IMAGES else FILE_TOKENS if kind in _FILES else 0
            waiting.append(value.get("content"))
    return tokens
