"""What the endpoint answers: health, status and page, without the content of any job."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.job import BpmnError, Completed, Failed, Outcome
from openai_connector.observe.events import (
    AnswerAwaited,
    AnswerFetched,
    AnswerReceived,
    BudgetsRead,
    BudgetState,
    Call,
    CallAbandoned,
    CallFailed,
    CallSent,
    EngineFound,
    EngineLost,
    HostFound,
    HostLost,
    JobEnded,
    JobGone,
    JobStarted,
    Spent,
    StoreFound,
    StoreFull,
    StoreLost,
)
from openai_connector.status.history import COUNTED, History
from tests.make import PROMPT, job, sentences_in
from tests.unit.status.states import Clock, Fetching, Stored, World, busy, idle, trouble, waiting

LARGEST_PAGE = 200_000
HOSTILE = "\"><script>alert('x')</script><b a='&{{live}}{{nonce}}\x00\x1b"


class Tags(HTMLParser):
    """Reads which tags a page has, and that all are closed."""

    VOID = ("meta", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("world", "status", "names"),
    [
        (World(), 200, set()),
        (World([Fetching(connected=False)]), 503, {"engine"}),
        (World([Fetching(), Fetching(connected=False)]), 503, {"engine"}),
        (World([Fetching(running=100)]), 200, set()),
        (World([Fetching(stopping=True)]), 503, {"stopping"}),
        (World([]), 503, set()),
        (World(store=Stored(), is_store_required=True), 200, set()),
        (World(store=Stored(is_healthy=False)), 200, {"store"}),
        (World(store=Stored(is_full=True)), 200, {"store"}),
        (World(store=Stored(is_healthy=False), is_store_required=True), 503, {"store"}),
        (World(store=Stored(is_full=True), is_store_required=True), 503, {"store"}),
    ],
    ids=[
        "well",
        "no_engine",
        "no_engine_for_one_type",
        "all_slots_used",
        "stopping",
        "not_begun",
        "store_well",
        "store_lost",
        "store_full",
        "required_store_lost",
        "required_store_full",
    ],
)
def test_ready_means_that_jobs_are_taken(world: World, status: int, names: set[str]) -> None:
    """Ready: the engine answers, slots are open, the store is as required; what is wrong has a name."""
    found, content = world.get("/health/ready")
    body = json.loads(content)
    assert found == status
    assert body["status"] == ("UP" if status == 200 else "DOWN")
    assert {*body["down"], *body["degraded"]} == names
    assert bool(body["down"]) is (status == 503 and bool(world.parts.fetching))
    assert world.get("/health/live")[0] == 200


@pytest.mark.parametrize(
    ("world", "status"),
    [
        (World([]), 503),
        (World([Fetching(connected=False)]), 200),
        (World([Fetching(), Fetching(connected=False)]), 200),
        (
            World([Fetching(connected=False)], Stored(is_healthy=False), is_store_required=True),
            200,
        ),
        (World([Fetching(stopping=True)]), 200),
    ],
    ids=[
        "not_begun",
        "no_engine_yet",
        "no_engine_for_one_type",
        "no_required_store",
        "stopping",
    ],
)
def test_startup_does_not_wait_for_others(world: World, status: int) -> None:
    """A worker is not killed for an engine or a store that is away: it waits for them, with jobs in work."""
    assert world.get("/health/startup")[0] == status


def test_trouble_is_named_until_it_is_over() -> None:
    """A host that is down and a store that is lost degrade the worker, in sentences, while they are so."""
    store = Stored(is_healthy=False)
    world = World(store=store)
    world.tell(HostLost("h"), StoreLost("the disk is full", False))
    world.clock.now += 5
    degraded = json.loads(world.get("/health/ready")[1])["degraded"]
    assert "STATUS_HOST_DOWN" in sentences_in(degraded["host:h"])
    assert {"STORE_LOST", "STORE_GOES_ON"} <= sentences_in(degraded["store"])
    assert "the disk is full" in degraded["store"]
    store.is_healthy = True
    world.tell(HostFound("h", 5.0), StoreFound(5.0, 0))
    assert json.loads(world.get("/health/ready")[1])["degraded"] == {}


@pytest.mark.parametrize(
    "world", [idle(), busy(), waiting(), trouble()], ids=["idle", "busy", "waiting", "trouble"]
)
def test_a_page_is_whole_and_small(world: World) -> None:
    """The page is well-formed, self-contained and small; its script bears the nonce of its policy."""
    reply = world.endpoint.answer("GET", "/")
    page = reply.body.decode()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert len(reply.body) <= LARGEST_PAGE
    [nonce] = set(re.findall(r'nonce="([^"]+)"', page))
    assert f"'nonce-{nonce}'" in reply.headers["Content-Security-Policy"]
    assert not re.findall(r'(?:src|href)="(?!data:|[a-z/]+")', page)
    assert "{{" not in page


def test_a_page_with_all_slots_in_work_is_small() -> None:
    """500 jobs in work: the oldest are listed, the number of all is told."""
    world = busy(500)
    page = world.get("/")[1]
    assert len(page) <= LARGEST_PAGE
    assert "Jobs being worked on: 500, the 100 oldest" in page


@pytest.mark.parametrize("path", ["/", "/status", "/metrics", "/health/ready"])
def test_nothing_shows_the_content_of_a_job(path: str) -> None:
    """Neither inputs nor the messages of failures are shown anywhere."""
    for world in (busy(), trouble()):
        content = world.get(path)[1]
        assert PROMPT not in content
        assert "secret words" not in content


def test_names_that_diagrams_give_are_only_text() -> None:
    """Ids, models, codes and hosts may hold anything: the page shows them, and runs nothing."""
    plain, hostile = World(), World([Fetching(job_type=HOSTILE)])
    for world, name in ((plain, "a"), (hostile, HOSTILE)):
        one, other = (
            replace(job(key=key), bpmn_process_id=name, element_id=name, type=name) for key in (1, 2)
        )
        world.tell(JobStarted(one), CallSent(one, Call("chat", name, name)), HostLost(name))
        world.tell(
            JobStarted(other), CallFailed(other, name, name, name), JobEnded(other, Failed("", 0), "done", 1)
        )
    found = []
    for world in (plain, hostile):
        tags = Tags()
        tags.feed(world.get("/")[1])
        assert tags.open == []
        found.append(tags.found)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("outcome", "problem", "became"),
    [
        (Completed({}), False, "completed"),
        (Completed({}), True, "completed"),
        (BpmnError("X"), True, "bpmnErrors"),
        (Failed("", 2), True, "failed"),
        (Failed("", 2), False, "failed"),
        (Failed("", 3), False, None),
        (Failed("", 0), False, "incidents"),
        (Failed("", 0), True, "incidents"),
    ],
    ids=[
        "completed",
        "completed_by_its_error_expression",
        "bpmn_error",
        "tried_again",
        "failed_by_its_expression",
        "given_back",
        "incident_of_a_mapping",
        "incident_of_a_call",
    ],
)
def test_what_becomes_of_a_job_is_counted_once(outcome: Outcome, problem: bool, became: str | None) -> None:
    """A job that is only given back is no failure; one that failed is listed with what to do."""
    world = World()
    world.tell(JobStarted(job()))
    if problem:
        world.tell(CallFailed(job(), "ApiStatusError", "401", "Check the key"))
    world.tell(JobEnded(job(), outcome, "done", 1.0))
    status = json.loads(world.get("/status")[1])
    counted = {name: count for name, count in status["lastHour"]["inAll"].items() if count}
    assert counted == ({} if became is None else {became: 1})
    assert len(status["failures"]) == (became in ("failed", "incidents"))
    for failure in status["failures"]:
        assert failure["advice"] == "Check the key" if problem else sentences_in(failure["advice"])
    assert status["jobsInAll"] == 0


def test_the_money_is_told_by_currency() -> None:
    """Hour and day have the money that was spent, and how many answers have no price; the page has a chart."""
    world = World()
    call = Call("chat", "m", "h")
    euro, dollar = Spent(Decimal("0.25"), "EUR", "flex"), Spent(Decimal("0.0000001"), "USD", "standard")
    world.tell(AnswerReceived(job(), 200, 1.0, call, 1, 1, euro))
    world.clock.now += 2 * 3600
    world.tell(AnswerReceived(job(), 200, 1.0, call, 1, 1, euro))
    world.tell(AnswerFetched(job(), "r", 9.0, call, 1, 1, dollar))
    world.tell(AnswerReceived(job(), 200, 1.0, call, 1, 1, Spent(reason="No price")))
    status = json.loads(world.get("/status")[1])
    assert status["lastHour"]["cost"] == {"EUR": 0.25, "USD": 0.0000001}
    assert status["lastDay"]["cost"] == {"EUR": 0.5, "USD": 0.0000001}
    assert status["lastHour"]["inAll"]["unpriced"] == 1
    page = world.get("/")[1]
    for shown in ("0.25 EUR + 0.0000001 USD", "1 answers of unknown price", "Cost in EUR, last day"):
        assert shown in page


def test_budgets_are_shown_where_there_are_any() -> None:
    """With what is spent of them, and when they begin anew."""
    world = World()
    assert "Budgets" not in world.get("/")[1]
    state = BudgetState("team <a>", "day", Decimal("2.5"), Decimal("0.5"), "USD", "2026-11-27T00:00:00Z")
    nothing = BudgetState("none", "month", Decimal(0), Decimal(0), "USD", "2026-12-01T00:00:00Z")
    world.tell(BudgetsRead((state, nothing)))
    [first, _] = json.loads(world.get("/status")[1])["budgets"]
    assert (first["name"], first["spent"], first["amount"], first["per"]) == ("team <a>", 0.5, 2.5, "day")
    page = world.get("/")[1]
    for shown in "team &lt;a&gt;", "0.50 of 2.50 USD a day", "20%", "2026-11-27 00:00:00":
        assert shown in page


def test_a_job_that_is_gone_is_no_longer_listed() -> None:
    """A cancelled job leaves no entry behind."""
    world = World()
    world.tell(JobStarted(job()), JobGone(job(), 1.0))
    assert json.loads(world.get("/status")[1])["jobs"] == []


def test_a_call_that_waits_is_listed_until_it_is_over() -> None:
    """Fetched, abandoned, gone, or not seen here for an hour: then it waits no more, as far as is known."""
    world = waiting()

    def keys() -> list[int]:
        return [one["jobKey"] for one in json.loads(world.get("/status")[1])["waiting"]]

    first, second, third, *others = keys()
    world.tell(AnswerFetched(job(key=first), "r", 9.0), CallAbandoned(job(key=second), "r"))
    world.tell(JobGone(job(key=third), 1.0))
    assert keys() == others
    world.clock.now += 3601
    assert keys() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/metrics?x=1", 200),
        ("HEAD", "/", 200),
        ("POST", "/", 405),
        ("DELETE", "/status", 405),
    ],
)
def test_only_what_is_there_can_be_read(method: str, path: str, status: int) -> None:
    """Nothing can be changed by the endpoint."""
    assert idle().endpoint.answer(method, path).status == status


@given(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(COUNTED)), max_size=60))
def test_the_history_counts_what_lies_within(events: list[tuple[int, str]]) -> None:
    """The parts of an hour and of a day hold exactly what was counted in them."""
    clock = Clock()
    history = History(clock)
    begin, end = clock.now, 0
    for minute, name in sorted(events):
        clock.now = begin + minute * 60
        history.add(name)
        end = minute
    for minutes, parts in ((60, 60), (1440, 96)):
        counted = sum(sum(part.values()) for part in history.last(minutes, parts))
        assert counted == sum(end - minute < minutes for minute, _ in events)


def test_each_host_that_is_down_is_named() -> None:
    """Two are two."""
    world = World()
    world.tell(HostLost("a.example"), HostLost("b.example"))
    assert {*json.loads(world.get("/health/ready")[1])["degraded"]} == {"host:a.example", "host:b.example"}


def test_why_the_engine_gives_no_jobs_stands_on_the_page() -> None:
    """Nobody must look into the log for it; it is gone when the engine is back."""
    fetching = Fetching(connected=False)
    world = World([fetching])
    assert "STATUS_NOT_ASKED" in sentences_in(json.loads(world.get("/health/ready")[1])["down"]["engine"])
    world.tell(EngineLost("PERMISSION_DENIED", "secret detail", "Check the permissions"))
    down = json.loads(world.get("/health/ready")[1])["down"]["engine"]
    assert "PERMISSION_DENIED. Check the permissions" in down
    assert "secret detail" not in down
    world.tell(EngineFound("t", is_again=True), EngineLost("UNAVAILABLE", "", "Check that it runs"))
    assert "PERMISSION_DENIED" not in world.get("/")[1]


def test_a_store_that_was_lost_while_full_is_still_full() -> None:
    """What is wrong is told as it is now, not as it was told last."""
    store = Stored(is_full=True)
    world = World(store=store)
    world.tell(StoreFull("full", False), StoreLost("the disk is gone", False))
    assert "STORE_FULL" in sentences_in(json.loads(world.get("/health/ready")[1])["degraded"]["store"])
    store.is_healthy = False
    assert "the disk is gone" in json.loads(world.get("/status")[1])["store"]["problem"]
    world.tell(StoreFound(5.0, 0))
    store.is_healthy = True
    assert "STORE_FULL" in sentences_in(json.loads(world.get("/status")[1])["store"]["problem"])


def test_what_was_not_delivered_is_counted_by_whoever_has_the_job_next() -> None:
    """The engine offers it again."""
    world = World()
    world.tell(JobStarted(job()), JobEnded(job(), Completed({}), "undelivered", 1.0))
    status = json.loads(world.get("/status")[1])
    assert (status["jobsInAll"], status["lastHour"]["inAll"]["completed"]) == (0, 0)


@pytest.mark.parametrize("outcome", [Completed({}), BpmnError("X"), Failed("", 0)])
def test_a_call_waits_no_more_when_its_job_has_ended(outcome: Outcome) -> None:
    """Not even where its answer was never fetched: the incident says what becomes of it."""
    world = World()
    world.tell(
        JobStarted(job()), AnswerAwaited(job(), "resp_1", 5.0), JobEnded(job(), Failed("", 3), "done", 1.0)
    )
    assert json.loads(world.get("/status")[1])["waitingInAll"] == 1
    world.tell(JobStarted(job()), JobEnded(job(), outcome, "done", 1.0))
    assert json.loads(world.get("/status")[1])["waitingInAll"] == 0


def test_the_content_of_jobs_is_not_held() -> None:
    """Thousands wait for a day; each may hold megabytes."""
    world = World()
    for number in range(3):
        one = job(key=number)
        world.tell(JobStarted(one), AnswerAwaited(one, "resp", 0.0), CallFailed(one, "ApiError", "500"))
        world.tell(JobEnded(one, Failed("", 2), "done", 1.0))
    held = [waiting.job for waiting, _ in world.board.waiting()] + [one.job for one in world.board.failures]
    assert len(held) == 6
    assert all((one.variables, one.headers) == ({}, {}) for one in held)


def test_slots_are_those_that_work_takes() -> None:
    """A thousand jobs that only wait for their batch take none."""
    world = World([Fetching(running=1040, parked=1000)])
    assert "40 of 100" in world.get("/")[1]
    metrics = world.get("/metrics")[1]
    assert 'openai_connector_slots_used{type="openai-connector:1"} 40' in metrics
    assert 'openai_connector_jobs_in_work{type="openai-connector:1"} 1040' in metrics


def test_calls_that_wait_are_counted_by_what_is_made() -> None:
    """Responses and lines of batches have a gauge, which falls when an answer is fetched; a batch is told once."""
    world = waiting()
    assert 'openai_connector_calls_waiting{kind="response"} 7' in world.get("/metrics")[1]
    assert 'openai_connector_calls_waiting{kind="batch"} 60' in world.get("/metrics")[1]
    told = json.loads(world.get("/status")[1])
    assert [batch["jobs"] for batch in told["batches"]] == [30, 30]
    assert told["waitingInAll"] == 67
    [first, *_] = [one["jobKey"] for one in told["waiting"] if one["kind"] == "response"]
    world.tell(AnswerFetched(job(key=first), "r", 9.0))
    assert 'openai_connector_calls_waiting{kind="response"} 6' in world.get("/metrics")[1]
    assert 'openai_connector_calls_waiting{kind="batch"} 0' in idle().get("/metrics")[1]
