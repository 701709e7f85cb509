"""What a process sees of a cost: with each operation, API and tier, once, whatever becomes of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openai_connector.cli import main
from openai_connector.connector import Connector
from openai_connector.job import Completed, Failed, Job, Outcome
from openai_connector.money import Prices
from openai_connector.observe.events import AnswerReceived, Event, Events
from openai_connector.observe.metrics import Metrics
from openai_connector.openai_api import ApiResponse
from openai_connector.purchases import Purchases
from openai_connector.service import connectors
from openai_connector.settings import load
from openai_connector.spending import Spending
from openai_connector.store import open_store
from openai_connector.store.reading import read_totals
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.camunda_http_task import CamundaHttpTasks
from openai_connector.tasks.secrets import EnvironmentSecrets
from tests.make import FakeApi, bare_job, job, refused, tasks

PRICES = """
currency = "USD"
date = 2026-11-01
[hosts."llm.example.com"]
tiers = { batch = 0.5, flex = 0.5, "2h" = 0.7, priority = 2 }
[hosts."llm.example.com".models.m]
input = 1.00
cached = 0.10
output = 8
dated = true
[hosts."llm.example.com".models.free]
input = 0
output = 0
"""
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 500}}
OF_RESPONSES = {"input_tokens": 1000, "output_tokens": 100, "input_tokens_details": {"cached_tokens": 500}}
RESULT = {"resultVariable": "r"}


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    """Return prices of the tests' host."""
    file = tmp_path / "prices.toml"
    file.write_text(PRICES, "utf-8")
    return Prices.of_file(file)


def chat(text: str = "Hello", **more: Any) -> ApiResponse:
    """Make an answer of Chat Completions."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return ApiResponse(200, {}, {"model": "m", "choices": [choice], "usage": USAGE, **more})


def response(text: str = "Hello", **more: Any) -> ApiResponse:
    """Make an answer of the Responses API."""
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    body = {"model": "m", "status": "completed", "output": [said], "usage": OF_RESPONSES, **more}
    return ApiResponse(200, {}, body)


@dataclass
class Worker:
    """A worker with prices, and what it has told."""

    api: FakeApi
    prices: Prices
    purchases: Purchases | None = None
    has_store: bool = False
    events: list[Event] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)

    async def work(self, given: Job) -> Outcome:
        """Work on a job."""
        listeners = Events(self.events.append, self.metrics)
        connector = Connector(
            self.api,
            tasks(),
            events=listeners,
            spending=Spending(self.prices, has_store=self.has_store),
            purchases=self.purchases,
        )
        return await connector.work(given)

    async def output(self, **inputs: Any) -> Mapping[str, Any]:
        """Work on a job, and return its output."""
        outcome = await self.work(job(RESULT, **inputs))
        assert isinstance(outcome, Completed), outcome
        output: Mapping[str, Any] = outcome.variables["r"]["output"]
        return output

    @property
    def counted(self) -> Decimal:
        """The money that the metrics have counted."""
        return Decimal(repr(self.metrics.cost.total)).quantize(Decimal("0.000000001"))


def cost(amount: object) -> dict[str, Any]:
    """Return a cost as a process sees it."""
    return {"amount": amount, "currency": "USD", "priceDate": "2026-11-01"}


FULL = 0.00135
MODERATED = {"results": [{"flagged": False, "categories": {}, "category_scores": {}}]}


@pytest.mark.parametrize(
    ("answer", "inputs", "amount"),
    [
        pytest.param(chat(), {}, FULL, id="chat completions"),
        pytest.param(response(), {"api": "responses"}, FULL, id="responses"),
        pytest.param(chat(model="m-2026-10-01"), {}, FULL, id="a dated model answered"),
        pytest.param(chat(model=None), {}, FULL, id="the model is not told"),
        pytest.param(chat(service_tier="default"), {}, FULL, id="default"),
        pytest.param(chat(service_tier="flex"), {}, FULL / 2, id="flex, though it was not asked for"),
        pytest.param(
            chat(service_tier="default"), {"extraBody": {"service_tier": "priority"}}, FULL,
            id="served as standard, though priority was asked for",
        ),
        pytest.param(chat(service_tier="fast"), {}, FULL * 2, id="fast is priority"),
        pytest.param(
            chat(), {"extraBody": {"service_tier": "flex"}}, FULL / 2, id="as asked, where nothing is told"
        ),
        pytest.param(chat(service_tier="auto"), {}, FULL, id="auto says nothing"),
        pytest.param(
            response(service_tier="default"), {"api": "responses", "answerNeeded": "2h"}, FULL * 0.7,
            id="a window, served at once",
        ),
    ],
)  # fmt: skip
async def test_the_output_has_the_cost(
    prices: Prices, answer: ApiResponse, inputs: dict[str, Any], amount: float
) -> None:
    """What the answer says was served counts, else what was asked; metrics count the same."""
    worker = Worker(FakeApi([answer]), prices)
    output = await worker.output(**inputs)
    assert output["cost"] == cost(pytest.approx(amount))
    assert output["costReason"] is None
    assert worker.counted == Decimal(repr(amount)).quantize(Decimal("0.000000001"))


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        pytest.param(chat(model="other"), "other", id="another model"),
        pytest.param(chat(service_tier="scale"), "scale", id="a tier without a price"),
        pytest.param(chat(usage=None), "input tokens", id="no usage"),
        pytest.param(chat(usage={"prompt_tokens": 3}), "output tokens", id="no output tokens"),
        pytest.param(chat(usage="much"), "input tokens", id="usage of another shape"),
        pytest.param(
            chat(usage=USAGE | {"prompt_tokens_details": {"cached_tokens": 5000}}), "contradict", id="nonsense"
        ),
        pytest.param(
            chat(usage=USAGE | {"prompt_tokens_details": {"cache_write_tokens": 5}}), "cache write", id="a part"
        ),
        pytest.param(
            response(
                usage=OF_RESPONSES
                | {"input_tokens_details": {"cache_write_tokens_details": {"ttl_12h_tokens": 5}}}
            ),
            "12-hour cache write",
            id="kept for longer",
        ),
    ],
)  # fmt: skip
async def test_what_is_not_known_has_a_reason(prices: Prices, answer: ApiResponse, word: str) -> None:
    """There is no cost then, but why; the job goes on, and the metrics count it apart."""
    worker = Worker(FakeApi([answer]), prices)
    output = await worker.output(**({"api": "responses"} if "output" in answer.body else {}))
    assert output["cost"] is None
    assert word in output["costReason"]
    assert worker.counted == 0
    assert worker.metrics.unpriced.total == 1


async def test_moderation_is_priced_too(prices: Prices) -> None:
    """An answer without any usage costs nothing where its model is free."""
    body = {"model": "free", **MODERATED}
    given = {"operation": "moderation", "moderationInput": "x", "moderationModel": "free"}
    output = await Worker(FakeApi([ApiResponse(200, {}, body)]), prices).output(**given)
    assert output["cost"] == cost(0)


@pytest.mark.parametrize(
    ("given", "body"),
    [
        pytest.param({"operation": "moderation", "moderationInput": "x"}, MODERATED, id="moderation"),
        pytest.param({}, {"choices": chat().body["choices"]}, id="chat"),
    ],
)
async def test_the_store_and_the_metrics_agree_on_what_has_no_price(
    prices: Prices, tmp_path: Path, given: dict[str, Any], body: dict[str, Any]
) -> None:
    """Also where an answer does not say what it used, as of servers of somebody's own and of moderation."""
    store = open_store(str(tmp_path / "store"))
    await store.start()
    worker = Worker(FakeApi([ApiResponse(200, {}, body)]), prices, Purchases(store), has_store=True)
    await worker.output(**given)
    await store.aclose()
    [total] = read_totals(str(tmp_path / "store"))
    assert (total.calls, total.unpriced) == (1, 1)
    assert worker.metrics.unpriced.total == 1


@pytest.mark.parametrize("body", [{"error": {"message": "m"}}, "<html>"], ids=["an error", "a page"])
async def test_what_is_no_answer_has_no_price_to_be_known(prices: Prices, body: Any) -> None:
    """A status of 200 alone does not make one."""
    worker = Worker(FakeApi([ApiResponse(200, {}, body)]), prices)
    assert isinstance(await worker.work(job()), Failed)
    assert worker.metrics.unpriced.total == 0


AGAIN = {"repair": True, "responseFormat": "json_object", "prompt": "JSON"}


async def test_both_calls_count_where_the_model_is_asked_again(prices: Prices) -> None:
    """The output has the sum, and the metrics each call."""
    worker = Worker(FakeApi([chat("no"), chat("{}", service_tier="flex")]), prices)
    output = await worker.output(**AGAIN)
    assert (output["calls"], output["cost"]) == (2, cost(pytest.approx(FULL * 1.5)))
    assert worker.counted == Decimal("0.002025")


async def test_the_first_call_counts_where_the_second_has_no_answer(prices: Prices) -> None:
    """What was bought is told, though it is not what was asked for."""
    worker = Worker(FakeApi([chat("no"), refused(400)]), prices)
    output = await worker.output(**AGAIN, unexpectedAnswer="complete")
    assert (output["calls"], output["cost"]) == (2, cost(FULL))


async def test_a_sum_with_an_unknown_part_is_unknown(prices: Prices) -> None:
    """One call without a price leaves no half of a cost."""
    output = await Worker(FakeApi([chat("no", model="other"), chat("{}")]), prices).output(**AGAIN)
    assert output["cost"] is None
    assert "other" in output["costReason"]


async def test_a_kept_answer_costs_what_it_cost(prices: Prices) -> None:
    """After an incident the answer is mapped at its own price, not bought or counted again."""
    worker = Worker(FakeApi([chat()]), prices)
    first = job({"resultExpression": "={a: 1 / 0, b: assert(null, false)}"})
    outcome = await worker.work(first)
    assert isinstance(outcome, Failed)
    left = {**first.variables, **outcome.variables, "openai_resultExpression": "={r: output.cost}"}
    dearer = Prices.packaged()  # has no price for this host at all
    again = Worker(FakeApi([]), dearer, events=worker.events, metrics=worker.metrics)
    second = await again.work(bare_job(variables=left))
    assert isinstance(second, Completed)
    assert second.variables["r"] == cost(FULL)
    assert worker.counted == Decimal("0.00135")


async def test_a_stored_answer_costs_what_it_cost(prices: Prices, tmp_path: Path) -> None:
    """Another worker that finds it in the store tells its cost, and counts nothing."""
    first, second = open_store(str(tmp_path)), open_store(str(tmp_path))
    await first.start()
    await second.start()
    bought = Worker(FakeApi([chat()]), prices, Purchases(first))
    assert (await bought.output())["cost"] == cost(FULL)
    found = Worker(FakeApi([]), Prices.packaged(), Purchases(second))
    assert (await found.output())["cost"] == cost(FULL)
    assert found.counted == 0
    assert found.api.requests == []
    await first.aclose()
    await second.aclose()


async def test_an_answer_kept_by_an_earlier_version_says_so(prices: Prices) -> None:
    """Nothing is made up for it."""
    worker = Worker(FakeApi([chat()]), prices)
    first = job({"resultExpression": "={a: assert(null, false)}"})
    outcome = await worker.work(first)
    assert isinstance(outcome, Failed)
    state = json.loads(outcome.variables["openai_state"])
    del state["response"]["cost"]
    left = {**first.variables, "openai_state": json.dumps(state), "openai_resultVariable": "r"}
    left["openai_resultExpression"] = "=null"
    second = await Worker(FakeApi([]), prices).work(bare_job(variables=left))
    assert isinstance(second, Completed)
    assert second.variables["r"]["output"]["cost"] is None
    assert "earlier version" in second.variables["r"]["output"]["costReason"]


@pytest.mark.parametrize(
    ("url", "counts"),
    [
        pytest.param("https://llm.example.com/v1/chat/completions", True, id="chat"),
        pytest.param("https://llm.example.com/v1/files", False, id="something that buys nothing"),
    ],
)
async def test_a_drop_in_task_sees_nothing_of_it(prices: Prices, url: str, counts: bool) -> None:
    """Camunda's own tasks have the response that they have there; what they bought is counted all the same."""
    metrics, api = Metrics(), FakeApi([chat()])
    types = CamundaHttpTasks(
        AllowedHosts(["llm.example.com"]), EnvironmentSecrets("", {}), timedelta(minutes=3)
    )
    connector = Connector(api, types, events=Events(metrics), spending=Spending(prices))
    variables = {"url": url, "method": "post", "body": {"model": "m"}}
    outcome = await connector.work(bare_job({"resultVariable": "r"}, variables=variables))
    assert isinstance(outcome, Completed)
    assert set(outcome.variables["r"]) == {"status", "headers", "body", "reason"}
    assert metrics.cost.total == (FULL if counts else 0)


async def test_a_refused_call_costs_nothing(prices: Prices) -> None:
    """A status of an error buys nothing, whatever its body says."""
    worker = Worker(FakeApi([ApiResponse(429, {}, {"usage": USAGE, "error": {"message": "m"}})]), prices)
    assert isinstance(await worker.work(job(RESULT)), Failed)
    [received] = [event for event in worker.events if isinstance(event, AnswerReceived)]
    assert (received.spent.amount, received.spent.reason, worker.metrics.unpriced.total) == (None, "", 0)


async def test_the_worker_uses_the_operators_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What CONNECTOR_PRICES names is what jobs cost."""
    file = tmp_path / "prices.toml"
    file.write_text(PRICES, "utf-8")
    monkeypatch.setenv("CONNECTOR_PRICES", str(file))
    [served] = connectors(load(), FakeApi([chat()]), [tasks()])
    outcome = await served.work(job(RESULT))
    assert isinstance(outcome, Completed)
    assert outcome.variables["r"]["output"]["cost"] == cost(FULL)


def test_evaluate_shows_what_openai_charges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recorded answer has the cost that it would have had at OpenAI."""
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(chat(object="chat.completion", model="gpt-6-luna").body), "utf-8")
    assert main(["evaluate", "--response", str(file), "--result-expression", "={c: output.cost}"]) == 0
    told = json.loads(capsys.readouterr().out)["variables"]["c"]
    assert (told["amount"], told["currency"]) == (0.000105, "USD")
