"""What becomes of jobs whose call does not fit into a budget, with a store and without, whatever they buy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openai_connector.bills import Bills
from openai_connector.connector import Connector
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.money import Prices
from openai_connector.money.budgets import Budgets
from openai_connector.money.price_file import read_prices
from openai_connector.observe.events import BudgetExceeded, Events
from openai_connector.openai_api import ApiError, ApiResponse
from openai_connector.purchases import BudgetExceededError, Purchases
from openai_connector.spending import Spending
from openai_connector.store import Charge, Claim, Entry, NoStore, Over, Store, StoreError, StoreOptions
from openai_connector.store.charges import Limit, Pay, Wait
from openai_connector.store.durable import DurableStore
from openai_connector.tasks.task_type import Request
from tests.make import ANSWER, FakeApi, job, refused, sentences_in, tasks

PRICES = Prices(
    read_prices(
        'currency = "USD"\ndate = 2026-11-01\n[hosts."llm.example.com".models.m]\ninput = 0\noutput = 1\n',
        over={},
    )
)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
USAGE = {"prompt_tokens": 5, "completion_tokens": 100, "total_tokens": 105}
ANSWERED = ApiResponse(200, {}, ANSWER | {"usage": USAGE})
MILLIONTH = Decimal("0.000001")


class SlowApi(FakeApi):
    """Takes a moment."""

    async def send(self, *args: Any, **options: Any) -> ApiResponse:
        """Wait, then answer."""
        await asyncio.sleep(0.005)
        return await super().send(*args, **options)


class World:
    """A worker with one budget: a call may cost 1,000 millionths, and does cost 100."""

    def __init__(
        self, folder: Path, amount: int = 2500, more: str = "", *, store: Store | None = None
    ) -> None:
        file = folder / "budgets.toml"
        lines = f"amount = {amount * MILLIONTH:f}\n{more}"
        file.write_text(f'[[budget]]\nname = "team"\nper = "day"\n{lines}')
        self.api = SlowApi([ANSWERED])
        self.events: list[Any] = []
        self.store = store or NoStore()
        events = Events(self.events.append)
        spending = Spending(
            PRICES, Budgets(file), has_store=not isinstance(self.store, NoStore), now=lambda: NOW
        )
        purchases = Purchases(self.store, events=events)
        self.connector = Connector(self.api, tasks(), purchases=purchases, events=events, spending=spending)
        self._keys = iter(range(1, 1000))

    async def work(self, headers: Mapping[str, str] | None = None, **inputs: Any) -> Outcome:
        """Work on a job of its own."""
        return await self.connector.work(self.job(headers, **inputs))

    def job(self, headers: Mapping[str, str] | None = None, **inputs: Any) -> Job:
        """Return a job of its own."""
        return job(headers, key=next(self._keys), **{"maxTokens": 1000, **inputs})

    async def spent(self) -> Decimal:
        """Return what is spent, in millionths."""
        spent = await self.store.budgets(["team|2026-11-26"])
        return spent.get("team|2026-11-26", Decimal(0)) / MILLIONTH


@pytest.fixture(params=["no store", "store"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return a store of each kind; a refusal must not look like a failure of it."""
    if request.param == "no store":
        yield NoStore()
        return
    durable = DurableStore(str(tmp_path / "store"), StoreOptions())
    await durable.start()
    yield durable
    assert durable.is_healthy
    await durable.aclose()


class TestOutcome:
    """What the engine is told."""

    async def test_an_incident_says_what_is_spent_and_until_when(self, tmp_path: Path, store: Store) -> None:
        """Nothing was sent, and no retry is left: a person decides."""
        world = World(tmp_path, 1050, store=store)
        await world.work()
        world.api.requests.clear()
        outcome = await world.work(prompt="later")
        assert isinstance(outcome, Failed)
        assert outcome.retries == 0
        assert "BUDGET_EXCEEDED" in sentences_in(outcome.message)
        for told in "team", "0.00105 USD a day", "0.001 USD", "0.0001 USD are spent", "2026-11-27 00:00 UTC":
            assert told in outcome.message
        assert world.api.requests == []
        assert [type(event) for event in world.events if isinstance(event, BudgetExceeded)] == [
            BudgetExceeded
        ]

    async def test_a_bpmn_error_where_the_task_wants_one(self, tmp_path: Path, store: Store) -> None:
        """With the budget's name and when it is over."""
        world = World(tmp_path, 1050, store=store)
        await world.work()
        outcome = await world.work(prompt="later", budgetExceeded="bpmnError")
        assert isinstance(outcome, BpmnError)
        assert outcome.code == "BUDGET_EXCEEDED"
        assert outcome.variables == {"budget": "team", "until": "2026-11-27T00:00:00Z"}

    async def test_an_error_expression_has_the_first_word(self, tmp_path: Path) -> None:
        """It sees the code."""
        headers = {
            "errorExpression": '=if error.code = "BUDGET_EXCEEDED" then jobError("later", {}, 2) else null'
        }
        outcome = await World(tmp_path, 500).work(headers)
        assert isinstance(outcome, Failed)
        assert (outcome.message, outcome.retries) == ("later", 2)

    async def test_a_price_that_is_not_known_is_refused_where_the_budget_says_so(
        self, tmp_path: Path, store: Store
    ) -> None:
        """Else it is let through."""
        world = World(tmp_path, 2500, 'unpriced = "refuse"', store=store)
        outcome = await world.work(model="other")
        assert isinstance(outcome, Failed)
        assert "BUDGET_REFUSED" in sentences_in(outcome.message)
        assert world.api.requests == []
        free = World(tmp_path, 2500, store=store)
        assert isinstance(await free.work(model="other"), Completed)


class TestWaitingDoesNotHelp:
    """Calls that a budget takes in no period."""

    @pytest.mark.parametrize(
        ("amount", "rule", "model", "sentence"),
        [
            (500, "count", "m", "BUDGET_TOO_SMALL"),
            (0, "count", "m", "BUDGET_TOO_SMALL"),
            (0, "count", "other", "BUDGET_OF_NOTHING"),
            (2500, "refuse", "other", "BUDGET_REFUSED"),
        ],
        ids=["more than all of it", "nothing may be spent", "nothing, and no price", "no price"],
    )
    async def test_neither_the_words_nor_the_error_name_a_time(
        self, tmp_path: Path, store: Store, amount: int, rule: str, model: str, sentence: str
    ) -> None:
        """The next period changes nothing."""
        world = World(tmp_path, amount, f'unpriced = "{rule}"', store=store)
        outcome = await world.work(model=model)
        assert isinstance(outcome, Failed)
        assert [name for name in sentences_in(outcome.message) if name.startswith("BUDGET")] == [sentence]
        assert "2026-11-27" not in outcome.message
        outcome = await world.work(model=model, budgetExceeded="bpmnError")
        assert isinstance(outcome, BpmnError)
        assert outcome.variables == {"budget": "team", "until": None}
        told = [event.until for event in world.events if isinstance(event, BudgetExceeded)]
        assert told == [None, None]

    def test_a_request_that_names_no_model_has_a_name(self) -> None:
        """No sentence has a hole."""
        over = Over("team|2026-11-26", Decimal(0), Decimal(1), "USD", is_unpriced=True)
        charge = Charge("1", 1, "p", "Ask", "", "t")
        assert "the price of this request, which" in str(BudgetExceededError(over, charge))


class TestWhatCounts:
    """Reserved before, settled after."""

    async def test_what_was_reserved_is_settled_by_what_it_did_cost(
        self, tmp_path: Path, store: Store
    ) -> None:
        """Sixteen calls fit, of which each could have cost ten times as much."""
        world = World(tmp_path, 2500, store=store)
        outcomes = [await world.work(prompt=f"{n}") for n in range(20)]
        assert [isinstance(outcome, Completed) for outcome in outcomes] == [True] * 16 + [False] * 4
        assert await world.spent() == 1600

    async def test_calls_at_once_do_not_overdraw(self, tmp_path: Path, store: Store) -> None:
        """What is reserved is not there for others."""
        world = World(tmp_path, 2500, store=store)
        outcomes = await asyncio.gather(*(world.work(prompt=f"{n}") for n in range(9)))
        assert sum(isinstance(outcome, Completed) for outcome in outcomes) == 2
        assert await world.spent() == 200

    @pytest.mark.parametrize(
        ("error", "spent"),
        [(refused(400), 0), (refused(503), 0), (refused(504), 1000)],
        ids=["refused", "overloaded", "a gateway gave up"],
    )
    async def test_a_call_that_failed(
        self, tmp_path: Path, store: Store, error: ApiError, spent: int
    ) -> None:
        """It counts where it may have been paid for."""
        world = World(tmp_path, store=store)
        world.api.answers = [error]
        assert isinstance(await world.work(), Failed)
        assert await world.spent() == spent

    async def test_an_answer_that_is_kept_costs_nothing_more(self, tmp_path: Path) -> None:
        """Its job comes back when the budget is used up, and is not refused."""
        store = DurableStore(str(tmp_path / "store"), StoreOptions())
        await store.start()
        world = World(tmp_path, 1000, store=store)
        first = world.job({"resultExpression": "=1/"})
        given = world.job({"resultExpression": "=assert(null, false)"})
        assert isinstance(await world.connector.work(first), Failed)
        assert isinstance(await world.connector.work(given), Failed)
        assert isinstance(await world.connector.work(given), Failed)
        assert len(world.api.requests) == 1
        assert await world.spent() == 100
        await store.aclose()

    async def test_asking_again_is_a_call_of_its_own(self, tmp_path: Path, store: Store) -> None:
        """One that does not fit is not made, and the first answer stays."""
        for amount, asked, spent in (2500, 2, 200), (1050, 1, 100):
            folder = tmp_path / str(amount)
            folder.mkdir()
            mine: Store = store
            if not isinstance(store, NoStore):
                mine = DurableStore(str(folder / "store"), StoreOptions())
                await mine.start()
            else:
                mine = NoStore()
            world = World(folder, amount, store=mine)
            outcome = await world.work(responseFormat="json_object", repair="true", unexpectedAnswer="fail")
            assert isinstance(outcome, Failed)
            assert len(world.api.requests) == asked
            assert await world.spent() == spent
            await mine.aclose()


def asked(**changes: Any) -> Request:
    """Return a request of a chat."""
    given: dict[str, Any] = {"model": "m", "url": "https://llm.example.com/v1/chat/completions", **changes}
    return Request(
        "POST", given["url"], {}, b"Hi", timedelta(60), "f", given["model"], content=given.get("content")
    )


class TestPriceThatOnlyTheAnswerTells:
    """Nothing can be reserved before such a call."""

    @pytest.mark.parametrize(
        "request_",
        [
            asked(model="alias"),
            asked(model="", url="https://llm.example.com/openai/deployments/mine/chat/completions"),
            asked(model=""),
            asked(content={"model": "m", "service_tier": "scale"}),
        ],
        ids=["another name of a model", "a deployment", "a body that is text", "a tier without a price"],
    )
    async def test_it_counts_with_what_it_did_cost(
        self, tmp_path: Path, store: Store, request_: Request
    ) -> None:
        """Until the budget is used up: then the call is refused."""
        World(tmp_path, 250)
        spending = Spending(PRICES, Budgets(tmp_path / "budgets.toml"), now=lambda: NOW)
        purchases = Purchases(store)
        response = ApiResponse(200, {}, {"model": "m", "service_tier": "default", "usage": USAGE})
        for number, spent in enumerate((100, 200, 300)):
            given = job(key=number)
            purchase = spending.purchase(request_, given)
            assert await purchases.begin(given, "f", purchase.charge) is None
            purchase.is_sent, purchase.bill = True, Bills(PRICES).of(request_, response)
            await purchases.keep(given, "f", {"body": {}}, purchase.ended())
            assert (await store.budgets(["team|2026-11-26"]))["team|2026-11-26"] == spent * MILLIONTH
        with pytest.raises(BudgetExceededError) as refusal:
            await purchases.begin(job(key=9), "f", spending.purchase(request_, job(key=9)).charge)
        assert "BUDGET_USED_UP" in sentences_in(str(refusal.value))

    async def test_an_amount_in_another_currency_counts_nothing(self, tmp_path: Path, store: Store) -> None:
        """Neither what it may cost nor what it did."""
        world = World(tmp_path, 250, 'currency = "EUR"', store=store)
        for number in range(4):
            assert isinstance(await world.work(prompt=f"{number}"), Completed)
        assert await world.spent() == 0

    async def test_one_that_is_lost_counts_nothing(self, tmp_path: Path, store: Store) -> None:
        """Nobody knows what it may have cost."""
        world = World(tmp_path, 250, store=store)
        world.api.answers = [refused(504)]
        assert isinstance(await world.work(model="other"), Failed)
        assert await world.spent() == 0

    async def test_where_nothing_may_be_spent_it_is_not_made(self, tmp_path: Path, store: Store) -> None:
        """A budget of 0 lets only calls through that are known to be free."""
        world = World(tmp_path, 0, store=store)
        assert isinstance(await world.work(model="other"), Failed)
        assert world.api.requests == []


async def test_while_the_store_is_away_each_worker_counts_for_itself(tmp_path: Path) -> None:
    """Budgets hold all the same, as far as this worker knows: also what was settled since."""
    closed = DurableStore(str(tmp_path / "store"), StoreOptions())
    world = World(tmp_path, 2500, store=closed)
    outcomes = await asyncio.gather(*(world.work(prompt=f"{n}") for n in range(9)))
    assert sum(isinstance(outcome, Completed) for outcome in outcomes) == 2
    outcomes = [await world.work(prompt=f"later {n}") for n in range(18)]
    assert sum(isinstance(outcome, Completed) for outcome in outcomes) == 14


class Switched:
    """A store that is away while the switch says so; what ends meanwhile is entered when it is back."""

    def __init__(self) -> None:
        self.is_away = False
        self._inner, self._later = NoStore(), list[Entry]()

    def __getattr__(self, name: str) -> Any:
        """Return what a store without faults has."""
        return getattr(self._inner, name)

    def back(self) -> None:
        """Be there again."""
        self.is_away = False
        for entry in self._later:
            if isinstance(entry, Pay | Wait):  # it counts a call also where its reservation did not reach it
                self._inner.reserve(entry.charge, {})
            self._inner.note(entry)
        self._later.clear()

    async def claim(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Reserve, or fail."""
        self._check()
        return await self._inner.claim(job_key, fingerprint, charge)

    async def confirm(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Say that the call may be made, or fail."""
        self._check()
        return await self._inner.confirm(job_key, fingerprint, charge)

    async def keep(self, job_key: int, fingerprint: str, answer: Any, entry: Entry | None = None) -> None:
        """Note, or note later."""
        await self.enter(job_key, entry)

    async def enter(self, job_key: int, entry: Entry | None) -> Claim:
        """Note, or note later."""
        if self.is_away:
            self._later += [] if entry is None else [entry]
            self._check()
        self._inner.note(entry)
        return Claim()

    def _check(self) -> None:
        if self.is_away:
            raise StoreError("away")


class TestAnotherOutage:
    """The store was away, came back, and is away again."""

    @pytest.mark.parametrize("outages", [2, 3, 5])
    async def test_what_was_spent_in_earlier_ones_counts_once(self, outages: int) -> None:
        """By the store, which has told of it since."""
        store = Switched()
        purchases = Purchases(store)
        calls = 2 * outages - 1  # the first and the last of them while it is away
        limit = Limit("team|2026-11-26", Decimal(calls), "USD")
        for number in range(calls):
            store.is_away = number % 2 == 0
            charge = Charge(str(number), number, "p", "Ask", "m", "t", Decimal(1), "USD", (limit,))
            await purchases.begin(job(key=number), "f", charge)
            await purchases.keep(job(key=number), "f", {"body": {}}, Pay(charge))
            store.back()
        store.is_away = True
        with pytest.raises(BudgetExceededError):
            await purchases.begin(job(key=99), "f", replace(charge, id="more"))

    async def test_what_is_still_open_counts_on(self) -> None:
        """The store does not know of it before it has ended."""
        store = Switched()
        purchases = Purchases(store)
        limit = Limit("team|2026-11-26", Decimal(2), "USD")
        charges = [Charge(str(n), n, "p", "Ask", "m", "t", Decimal(1), "USD", (limit,)) for n in range(3)]
        store.is_away = True
        await purchases.begin(job(key=1), "f", charges[0])
        store.back()
        await purchases.begin(job(key=2), "f", charges[1])
        store.is_away = True
        with pytest.raises(BudgetExceededError):
            await purchases.begin(job(key=3), "f", charges[2])

    async def test_what_waits_for_its_answer_counts_once(self) -> None:
        """By the store, for the budgets of which it has told since; here for the others."""
        store = Switched()
        purchases = Purchases(store)
        limits = [Limit(f"{name}|2026-11-26", Decimal(2), "USD") for name in ("team", "all")]
        charges = [
            Charge(f"{n}", n, "p", "Ask", "m", "t", Decimal(1), "USD", tuple(limits)) for n in range(3)
        ]
        store.is_away = True
        await purchases.begin(job(key=0), "f", charges[0])
        await purchases.keep(job(key=0), "f", {"body": {}}, Wait(charges[0], "response 1"))
        store.back()
        await purchases.begin(job(key=9), "f", replace(charges[0], id="9", amount=None, budgets=(limits[0],)))
        store.is_away = True
        await purchases.begin(job(key=1), "f", charges[1])
        for limit in limits:
            with pytest.raises(BudgetExceededError):
                await purchases.begin(job(key=2), "f", replace(charges[2], budgets=(limit,)))

    async def test_a_claim_that_tells_nothing_of_a_budget_changes_nothing_of_it(self) -> None:
        """A call without a budget came between the outages."""
        store = Switched()
        purchases = Purchases(store)
        charge = Charge("1", 1, "p", "Ask", "m", "t", Decimal(1), "USD")
        limited = replace(charge, id="2", budgets=(Limit("team|2026-11-26", Decimal(1), "USD"),))
        store.is_away = True
        await purchases.begin(job(key=1), "f", limited)
        await purchases.keep(job(key=1), "f", {"body": {}}, Pay(limited))
        store.back()
        await purchases.begin(job(key=2), "f", charge)
        store.is_away = True
        with pytest.raises(BudgetExceededError):
            await purchases.begin(job(key=3), "f", replace(limited, id="3"))


async def test_the_workers_own_key_is_told_by_its_setting(tmp_path: Path) -> None:
    """A budget of another key does not count it."""
    for credential, is_refused in ("OPENAI_API_KEY", True), ("secrets.KEY", False):
        world = World(tmp_path, 500, f'credentials = ["{credential}"]')
        outcome = await world.work(apiKey=None)
        assert isinstance(outcome, Failed) is is_refused
        outcome = await world.work(apiKey="{{secrets.KEY}}")
        assert isinstance(outcome, Failed) is not is_refused
