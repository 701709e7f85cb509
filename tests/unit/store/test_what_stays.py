"""What stays in the store after the engine has acknowledged an outcome: an answer that a job may come back for.

Each test stands for a way on which the engine does not get the answer that is paid for.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import pytest
from grpc import StatusCode

from openai_connector.connector import Connector
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.openai_api import ApiResponse
from openai_connector.purchases import Purchases
from openai_connector.redaction import Redaction
from openai_connector.store import NoStore, Store, StoreError
from openai_connector.store.charges import Entry
from openai_connector.store.tables import Tables
from openai_connector.zeebe.channel import Connection, gateway, open_channel
from openai_connector.zeebe.commands import Commands, Delivery, Reported
from openai_connector.zeebe.poller import Poller
from openai_connector.zeebe.runs import deliver
from tests.make import ANSWER, FakeApi, bare_job, job, sentences_in, tasks
from tests.unit.store.stores import Opener, tables_at, until
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob, status

LARGE = ANSWER | {"usage": {"total_tokens": 3, "details": "x" * 4_500_000}}
REFUSED = Reported(Delivery.REFUSED, "too much")
MENDED = "={a: output.text}"


class ScriptedCommands(Commands):
    """Says what the engine answers, one after the other; then that all is done."""

    def __init__(self, *answers: Reported) -> None:
        self._answers = iter(answers)

    async def report(self, *_: Any, **__: Any) -> Reported:
        """Return the next answer."""
        return next(self._answers, Reported(Delivery.DONE))


def api_of(body: Mapping[str, Any]) -> FakeApi:
    """Return an API that gives this answer."""
    return FakeApi(answers=[ApiResponse(200, {}, body)])


def worker(api: FakeApi, store: Store) -> Connector:
    """Return a worker with a store."""
    return Connector(api, tasks(), purchases=Purchases(store))


async def told(at: Connector, given: Job, outcome: Outcome, *answers: Reported) -> Outcome:
    """Tell the engine what becomes of a job, and the worker what the engine has acknowledged."""
    delivered = await deliver(ScriptedCommands(*answers), at, given, outcome)
    assert delivered.delivery is Delivery.DONE
    await at.settled(given, delivered.outcome)
    return delivered.outcome


async def is_stored(store: Store, given: Job) -> bool:
    """Check whether the store has an answer to a job's request."""
    claim = await store.claim(given.key, tasks().read(given.variables, Redaction()).request.fingerprint)
    return claim.answer is not None


def words_of(outcome: Outcome) -> set[str]:
    """Return the ids of the sentences of a failure or a BPMN error."""
    assert isinstance(outcome, Failed | BpmnError)
    return sentences_in(outcome.message)


class TestAnswerThatTheEngineCannotTake:
    """It stays in the store while the incident stands: retried, the job buys nothing."""

    @pytest.mark.parametrize(
        "headers",
        [
            pytest.param({"resultVariable": "r"}, id="result_too_large"),
            pytest.param({"resultExpression": "=output.text"}, id="failed_mapping"),
            pytest.param({"errorExpression": '=jobError("No.", {u: output.usage})'}, id="job_error"),
            pytest.param({"errorExpression": '=bpmnError("C", "words")'}, id="uncaught_bpmn_error"),
        ],
    )
    async def test_too_large(self, opened: Opener, location: str, headers: dict[str, str]) -> None:
        """The message says where it is; with a mapping that fits, the job is completed."""
        store, api, first = await opened(location), api_of(LARGE), job(headers)
        at = worker(api, store)
        outcome = await told(at, first, await at.work(first))
        assert "IS_STORED" in words_of(outcome)
        assert "IS_TOO_LARGE_TO_KEEP" not in words_of(outcome)
        mended = job({"resultExpression": MENDED})
        done = await at.work(mended)
        assert done == Completed({"a": "Hello"})
        await told(at, mended, done)
        assert len(api.requests) == 1
        assert not await is_stored(store, mended)

    @pytest.mark.parametrize(
        "headers",
        [
            pytest.param({"resultExpression": "=output.text"}, id="failure"),
            pytest.param({"errorExpression": '=bpmnError("C", "words", {v: 1})'}, id="bpmn_error"),
            pytest.param({"resultVariable": "r"}, id="completion"),
        ],
    )
    async def test_refused_twice(self, opened: Opener, location: str, headers: dict[str, str]) -> None:
        """Whatever the engine refuses, and the incident's variables too: the store has it."""
        api, first = api_of(ANSWER), job(headers)
        at = worker(api, await opened(location))
        refusals = [REFUSED] if headers.keys() == {"resultExpression"} else [REFUSED, REFUSED]
        outcome = await told(at, first, await at.work(first), *refusals)
        assert isinstance(outcome, Failed)
        assert (outcome.retries, outcome.variables) == (0, {})
        assert words_of(outcome) >= {"COULD_NOT_BE_STORED", "IS_STORED"}
        assert await at.work(job({"resultExpression": MENDED})) == Completed({"a": "Hello"})
        assert len(api.requests) == 1

    async def test_not_kept_before_a_bpmn_error(self, opened: Opener, location: str) -> None:
        """The error is thrown all the same; uncaught, it is mapped from the store."""
        api, first = api_of(ANSWER), job({"errorExpression": '=bpmnError("C", "words")'})
        at = worker(api, await opened(location))
        await told(at, first, await at.work(first), Reported(Delivery.DONE, is_kept=False))
        assert isinstance(await at.work(first), BpmnError)
        assert len(api.requests) == 1

    async def test_bought_while_the_store_was_away(self, opened: Opener, location: str) -> None:
        """What could not be stored at first is stored before the incident."""
        store, api, first = await opened(location), api_of(LARGE), job({"resultVariable": "r"})
        flaky = FailingOnce(store)
        at = worker(api, flaky)
        outcome = await told(at, first, await at.work(first))
        assert flaky.has_failed
        assert "IS_STORED" in words_of(outcome)
        assert await is_stored(store, first)

    @pytest.mark.parametrize("is_away", [False, True], ids=["no_store", "away"])
    async def test_without_a_store_it_is_said_to_be_lost(self, is_away: bool) -> None:
        """No message speaks of a store that does not have the answer."""
        at = worker(api_of(LARGE), FailingStore() if is_away else NoStore())
        outcome = await at.work(job({"resultVariable": "r"}))
        assert "IS_TOO_LARGE_TO_KEEP" in words_of(outcome)
        assert "IS_STORED" not in words_of(outcome)


class TestIncidentThatKnowsNothingOfTheAnswer:
    """A job comes back with its answer stored, and fails for another reason before that is looked for."""

    @pytest.mark.parametrize("how", ["missing_secret", "unreadable", "lease_too_short"])
    async def test_the_answer_stays(self, opened: Opener, location: str, how: str) -> None:
        """The incident's end gets the answer that is stored."""
        store, api, given = await opened(location), api_of(ANSWER), job({"resultExpression": MENDED})
        await worker(api, store).work(given)  # and this worker ends
        at = worker(api, store)
        match how:
            case "missing_secret":
                outcome = await at.work(job({"resultExpression": MENDED}, apiKey="{{secrets.MISSING}}"))
            case "unreadable":
                outcome = at.unreadable(bare_job(), "no JSON")
            case _:
                outcome = at.lease_too_short(given, at.time_needed(given), at.time_needed(given))
        assert isinstance(outcome, Failed)
        assert outcome.retries == 0
        await told(at, given, outcome)
        assert await at.work(given) == Completed({"a": "Hello"})
        assert len(api.requests) == 1


class TestAnswerThatTheEngineHas:
    """It leaves the store: personal data stay nowhere without need."""

    @pytest.mark.parametrize(
        "headers",
        [
            pytest.param({"resultExpression": "=output.text"}, id="incident"),
            pytest.param({"errorExpression": '=bpmnError("C", "words")'}, id="bpmn_error"),
            pytest.param({"errorExpression": '=jobError("No.")'}, id="job_error"),
            pytest.param({"resultVariable": "r"}, id="completed"),
        ],
    )
    async def test_nothing_stays(self, opened: Opener, location: str, headers: dict[str, str]) -> None:
        """The message speaks of no store."""
        store, first = await opened(location), job(headers)
        at = worker(api_of(ANSWER), store)
        outcome = await told(at, first, await at.work(first))
        assert isinstance(outcome, Completed) or "IS_STORED" not in words_of(outcome)
        assert not await is_stored(store, first)

    async def test_a_refused_result_that_the_incident_carries(self, opened: Opener, location: str) -> None:
        """The incident has the answer then, and the completion is owed no more."""
        store, first = await opened(location), job({"resultVariable": "r"})
        at = worker(api_of(ANSWER), store)
        outcome = await told(at, first, await at.work(first), REFUSED)
        assert words_of(outcome) >= {"RESULT_REFUSED", "IS_KEPT"}
        assert not await is_stored(store, first)


class TestJobThatIsAnIncidentAlready:
    """FAILED_PRECONDITION: an earlier attempt, or another worker, has failed it, and it may come back."""

    @pytest.fixture
    async def engine(self) -> AsyncIterator[FakeGateway]:
        """Return an engine that says what it is told to."""
        fake = FakeGateway()  # type: ignore[abstract]  # it has what is needed here
        await fake.start()
        yield fake
        await fake.stop()

    @pytest.fixture
    async def stub(self, engine: FakeGateway) -> AsyncIterator[Any]:
        """Return a connection to it."""
        channel = open_channel(Connection(engine.target))
        yield gateway(channel)
        await channel.close()

    @pytest.mark.parametrize("is_lost", [True, False], ids=["lost_acknowledgement", "elsewhere"])
    async def test_its_answer_stays(
        self, engine: FakeGateway, stub: Any, opened: Opener, location: str, is_lost: bool
    ) -> None:
        """What the engine says to the second attempt is no reason to forget."""
        store, api = await opened(location), api_of(LARGE)
        first = job({"resultVariable": "r"})
        at = worker(api, store)
        if is_lost:
            engine.after["FailJob"].append(status(StatusCode.UNAVAILABLE))
        else:
            engine.faults["FailJob"].append(status(StatusCode.FAILED_PRECONDITION))
        engine.add(FakeJob(first.key, json.dumps(dict(first.variables)), json.dumps(dict(first.headers))))
        poller = Poller(stub, Commands(stub), at, job_type="t", worker_name="w")
        polling = asyncio.create_task(poller.run())
        await engine.until(lambda: engine.count("FailJob") == (2 if is_lost else 1) and not poller.running)
        poller.stop()
        await polling
        assert await is_stored(store, first)


class TestWorkerThatStops:
    """A drain, or a second signal, cuts the work off at any moment."""

    async def test_an_answer_that_is_being_stored_is_stored(self, opened: Opener, location: str) -> None:
        """The job goes back with its retries, and the next worker buys nothing."""
        api, given = api_of(ANSWER), job({"resultExpression": MENDED})
        held = HeldTables(tables_at(location, opened.clock))
        at = worker(api, await opened(location, cast(Tables, held)))
        working = asyncio.create_task(at.work(given))
        await until(held.is_reached.is_set)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        back = at.interrupted(given, is_begun=True)
        assert back.retries == 3
        held.is_let.set()
        await told(at, given, back)
        assert await worker(api, await opened(location)).work(given) == Completed({"a": "Hello"})
        assert len(api.requests) == 1


class HeldTables:
    """Tables that hold the next answer."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.is_reached, self.is_let = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def keep(self, *args: Any) -> None:
        """Wait, in the store's thread, and keep it."""
        self.is_reached.set()
        assert self.is_let.wait(60)
        self._tables.keep(*args)


class FailingStore(NoStore):
    """A store that is away."""

    async def keep(
        self, job_key: int, fingerprint: str, answer: Mapping[str, Any], entry: Entry | None = None
    ) -> None:
        """Fail."""
        raise StoreError("away")


class FailingOnce:
    """A store that keeps nothing at first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.has_failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def keep(
        self, job_key: int, fingerprint: str, answer: Mapping[str, Any], entry: Entry | None = None
    ) -> None:
        """Fail once."""
        if not self.has_failed:
            self.has_failed = True
            raise StoreError("away")
        await self._store.keep(job_key, fingerprint, answer, entry)
