"""When a call may be sent: at once, in a moment, or after its job was given back for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.limits import (
    Admission,
    Asking,
    FixedLimits,
    Gate,
    Held,
    HostChange,
    Key,
    Shares,
    key_of,
)
from tests.simulation import clock, simulate

T = TypeVar("T")
KEY = Key("credential", "llm.example.com", "m")


def asking(job: int = 1, *, key: Key = KEY, process: str = "p", size: int = 100) -> Asking:
    """Make what a job wants to send."""
    return Asking(key, job, process, size)


def gate(**options: Any) -> Gate:
    """Make a gate in virtual time."""
    return Gate(clock=asyncio.get_running_loop().time, chance=Random(1), **options)


async def admitted(at: Gate, what: Asking | None = None) -> Admission:
    """Enter, and be let through."""
    entered = await at.enter(what or asking())
    assert isinstance(entered, Admission), entered
    return entered


async def held(at: Gate, what: Asking | None = None) -> Held:
    """Enter, and be held back."""
    entered = await at.enter(what or asking())
    assert isinstance(entered, Held), entered
    return entered


async def answered(
    at: Gate, what: Asking | None = None, *limits: tuple[bool, float | None, float, float]
) -> None:
    """Make a call that is answered so."""
    call = await admitted(at, what)
    call.answered(limits)
    call.done()


async def refused(at: Gate, wait: float | None, what: Asking | None = None) -> None:
    """Make a call that is refused for a limit."""
    call = await admitted(at, what)
    call.refused(wait=wait)
    call.done()


async def failed(at: Gate, job: int = 1, *, key: Key = KEY) -> float | None:
    """Make a call whose host fails it; return the wait where it is the host's fault."""
    call = await admitted(at, asking(job, key=key))
    trouble = call.failed()
    call.done()
    return None if trouble is None else trouble.wait


def in_time(story: Coroutine[Any, Any, T]) -> T:
    """Run a story in virtual time."""
    return simulate(story)


@pytest.mark.parametrize(
    ("other", "is_held"),
    [
        pytest.param(KEY, True, id="same"),
        pytest.param(KEY._replace(credential="other"), False, id="other_key"),
        pytest.param(KEY._replace(host="other.example.com"), False, id="other_host"),
        pytest.param(KEY._replace(model="other"), False, id="other_model"),
    ],
)
def test_a_wait_told_to_one_job_holds_back_all_of_its_key(other: Key, is_held: bool) -> None:
    """Whoever shares credential, host and model waits; nobody else does."""

    async def story() -> bool:
        at = gate()
        await refused(at, 20.0)
        entered = await at.enter(asking(2, key=other))
        if isinstance(entered, Held):
            assert (entered.reason, entered.wait >= 19.9) == ("limit", True)
        return isinstance(entered, Held)

    assert in_time(story()) is is_held


def test_after_the_wait_calls_go_again() -> None:
    """The wait ends; then one call goes first."""

    async def story() -> None:
        at = gate()
        await refused(at, 20.0)
        await asyncio.sleep(20.1)
        await answered(at)

    in_time(story())


def test_a_day_told_to_one_job_holds_back_others_for_minutes() -> None:
    """The limit may be lifted by a person: after a while one job asks again."""

    async def story() -> float:
        at = gate()
        await refused(at, 86400.0)
        return (await held(at)).wait

    assert 300 <= in_time(story()) <= 400


@pytest.mark.parametrize(
    ("limits", "least"),
    [
        pytest.param([(False, 60.0, 0.0, 30.0)], 29.9, id="requests_used_up"),
        pytest.param([(True, 1000.0, 10.0, 30.0)], 29.9, id="tokens_nearly_used_up"),
        pytest.param([(False, 60.0, 50.0, 1.0), (True, 1000.0, 0.0, 40.0)], 39.9, id="the_scarcer_one"),
        pytest.param([(False, None, 0.0, 25.0)], 24.9, id="whole_unknown"),
        pytest.param([(False, 60.0, 59.0, 1.0)], None, id="plenty"),
        pytest.param([(True, 1e6, 999_000.0, 0.06)], None, id="plenty_of_tokens"),
        pytest.param([], None, id="nothing_told"),
        pytest.param([(False, 60.0, 0.0, 0.0)], None, id="whole_again_at_once"),
    ],
)
def test_limits_are_read_ahead_of_the_refusal(
    limits: list[tuple[bool, float | None, float, float]], least: float | None
) -> None:
    """A success that leaves nothing holds back the next call until something is left."""

    async def story() -> Admission | Held:
        at = gate()
        await answered(at, None, *limits)
        return await at.enter(asking(2))

    entered = in_time(story())
    if least is None:
        assert isinstance(entered, Admission)
    else:
        assert isinstance(entered, Held)
        assert entered.wait >= least


def test_at_the_latest_after_a_minute_one_call_tries() -> None:
    """A limit of a day that is used up by what headers say is not taken for granted for a day."""

    async def story() -> float:
        at = gate()
        await answered(at, None, (False, 200.0, 0.0, 86400.0))
        wait = (await held(at)).wait
        await asyncio.sleep(60.1)
        await admitted(at)
        return wait

    assert in_time(story()) <= 120


@pytest.mark.parametrize(
    ("fixed", "size", "calls"),
    [
        pytest.param(FixedLimits(requests_per_minute=60), 100, 60, id="requests"),
        pytest.param(FixedLimits(requests_per_minute=6), 100, 6, id="few_requests"),
        pytest.param(FixedLimits(tokens_per_minute=6000), 400, 60, id="tokens"),
        pytest.param(FixedLimits(60, 600), 400, 6, id="the_scarcer_one"),
    ],
)
def test_fixed_limits_hold_in_every_minute(fixed: FixedLimits, size: int, calls: int) -> None:
    """No minute has more than the limit and what may go at once; a long time has nearly all of it."""
    sent: list[float] = []

    async def story() -> None:
        at = gate(fixed=fixed)
        while clock() < 600:
            entered = await at.enter(asking(size=size))
            if isinstance(entered, Admission):
                sent.append(clock())
                entered.answered()
                entered.done()
            else:
                await asyncio.sleep(0.5)

    in_time(story())
    most = max(sum(begin <= moment < begin + 60 for moment in sent) for begin in sent)
    assert most <= calls + max(1, calls / 6) + 1
    assert len(sent) >= 0.9 * calls * 10


def test_tokens_are_corrected_by_what_an_answer_cost() -> None:
    """A small request with a long answer takes its true part of the limit."""

    async def story() -> float:
        at = gate(fixed=FixedLimits(tokens_per_minute=600))
        call = await admitted(at, asking(size=4))
        call.answered(tokens=400)
        call.done()
        return (await held(at, asking(size=4))).wait

    assert in_time(story()) >= 29


def beginnings(seconds: float) -> list[float]:
    """Return when a hundred calls to a key that nobody knows begin, each of which takes so long."""
    begun: list[float] = []

    async def one(at: Gate, number: int) -> None:
        call = await admitted(at, asking(number))
        begun.append(clock())
        await asyncio.sleep(seconds)
        call.answered()
        call.done()

    async def story() -> None:
        at = gate()
        await asyncio.gather(*(one(at, number) for number in range(100)))

    in_time(story())
    return begun


def test_calls_are_begun_gently_and_all_go_within_moments() -> None:
    """Of a key that nobody knows sixteen calls go at once, and a hundred within a second and a half."""
    begun = beginnings(30)
    assert sum(moment == 0 for moment in begun) == 16
    assert min(moment for moment in begun if moment > 0) >= 0.5
    assert max(begun) <= 1.5


def test_a_first_answer_is_not_waited_out() -> None:
    """Where the API answers at once, the jobs behind the first calls go on within a tenth of a second."""
    begun = beginnings(0.01)
    assert sum(moment <= 0.11 for moment in begun) >= 32
    assert max(begun) <= 0.7


def test_jobs_that_are_held_back_do_not_come_back_together() -> None:
    """Five hundred jobs come back over half a minute, not in one moment."""

    async def story() -> list[float]:
        at = gate()
        for number in range(3):
            await answered(at, asking(number))
        await refused(at, 10.0)
        return [(await held(at, asking(number))).wait for number in range(500)]

    waits = in_time(story())
    assert min(waits) >= 10
    assert max(sum(second <= wait < second + 1 for wait in waits) for second in range(60)) <= 60


@pytest.mark.parametrize("failures", [1, 2, 5])
def test_one_job_alone_never_proves_a_host_down(failures: int) -> None:
    """A job that fails again and again may be to blame itself: each failure costs its retry."""

    async def story() -> list[float | None]:
        at = gate()
        return [await failed(at, job=7) for _ in range(failures)]

    assert in_time(story()) == [None] * failures


def test_a_host_that_fails_several_jobs_is_asked_no_more() -> None:
    """The first failure costs a retry, those after it none; from the fifth on the others are held back."""

    async def story() -> tuple[list[float | None], Held]:
        at = gate()
        waits = [await failed(at, job) for job in range(5)]
        return waits, await held(at, asking(9))

    waits, entered = in_time(story())
    assert waits[0] is None
    assert all(wait is not None and wait >= 1 for wait in waits[1:])
    assert (entered.reason, entered.since is not None) == ("host", True)


def test_one_job_at_a_time_tries_a_host_that_is_down() -> None:
    """After a pause one call goes; the others wait for what becomes of it, with growing pauses."""
    tried: list[float] = []

    async def story() -> None:
        at = gate()
        for job in range(5):
            await failed(at, job)
        while clock() < 120:
            entered = await at.enter(asking(int(clock() * 10) + 100))
            if isinstance(entered, Admission):
                tried.append(clock())
                entered.failed()
                entered.done()
            await asyncio.sleep(0.1)

    in_time(story())
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert all(pause >= 1 for pause in pauses)
    assert 7 <= max(pauses) <= 13
    assert pauses[0] < pauses[1] < pauses[2]


def test_an_answer_ends_the_outage() -> None:
    """As soon as one job has an answer, of whatever kind, all may ask."""

    async def story() -> None:
        at = gate()
        for job in range(5):
            await failed(at, job)
        await held(at)
        await asyncio.sleep(2)
        await answered(at)
        await answered(at, asking(2))

    in_time(story())


@pytest.mark.parametrize("kind", ["credential", "process", "model"])
def test_nobody_takes_more_than_its_share_while_others_wait(kind: str) -> None:
    """Half of ten slots are for others as soon as others want them; alone one may have all."""

    def of(name: str, job: int) -> Asking:
        key = KEY._replace(**{kind: name}) if kind != "process" else KEY
        # What is not looked at is different for every job, so that it takes no part.
        if kind == "process":
            return asking(job, key=Key(f"c{job}", "h", f"m{job}"), process=name)
        other = "model" if kind == "credential" else "credential"
        return asking(job, key=key._replace(**{other: f"x{job}"}), process=f"p{job}")

    async def story() -> tuple[int, int, str]:
        at = gate(shares=Shares(10, 0.5))
        alone = [await at.enter(of("greedy", job)) for job in range(8)]
        for call in alone[4:]:
            assert isinstance(call, Admission)
            call.done()
        for job in range(20, 23):
            assert isinstance(await at.enter(of("modest", job)), Admission)
        more = [await at.enter(of("greedy", job)) for job in range(40, 45)]
        let_in = sum(isinstance(entered, Admission) for entered in more)
        reasons = {entered.reason for entered in more if isinstance(entered, Held)}
        return sum(isinstance(entered, Admission) for entered in alone), let_in, "".join(reasons)

    # The other calls of the parametrized kind differ per job, and count as others in their own kinds.
    alone, let_in, reasons = in_time(story())
    assert alone == 8
    assert let_in == 1
    assert reasons == "share"


def test_a_share_of_one_is_no_limit() -> None:
    """The setting 1 lets one group have all slots whoever waits."""

    async def story() -> None:
        at = gate(shares=Shares(10, 1.0))
        await admitted(at, asking(1, key=KEY._replace(model="other"), process="q"))
        for job in range(9):
            await admitted(at, asking(job))

    in_time(story())


def test_the_bytes_in_work_are_bounded() -> None:
    """A request that goes beyond the bound comes back; one that is larger alone goes alone."""

    async def story() -> None:
        at = gate(shares=Shares(10, 1.0, most_bytes=1000))
        first = await admitted(at, asking(1, size=5000))
        assert (await held(at, asking(2, size=10))).reason == "payload"
        first.done()
        await admitted(at, asking(3, size=600))
        assert (await held(at, asking(4, size=600))).reason == "payload"
        await admitted(at, asking(5, size=400))

    in_time(story())


def test_polling_pauses_while_most_jobs_are_held_back() -> None:
    """Until then, and afterwards, there is no pause; the pause ends when something may be sent."""

    async def story() -> None:
        at = gate()
        assert at.pause_hint() is None
        await refused(at, 4.0)
        for job in range(20):
            await held(at, asking(job))
        pause = at.pause_hint()
        assert pause is not None
        assert 2 <= pause.seconds <= 4
        assert 1 <= pause.jobs <= 10
        await asyncio.sleep(6)
        assert at.pause_hint() is None

    in_time(story())


def test_a_job_that_is_cancelled_while_it_waits_takes_no_slot() -> None:
    """A worker that stops, or a job that is gone, leaves the counts as they were."""

    async def story() -> None:
        at = gate(shares=Shares(1, 1.0, most_bytes=100))
        await answered(at, None, (False, 60.0, 30.0, 20.0))
        waiting = asyncio.create_task(at.enter(asking(2)))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(2)
        await answered(at, asking(3))

    in_time(story())


@given(st.lists(st.tuples(st.sampled_from("arfdw"), st.floats(0, 40), st.integers(0, 3)), max_size=60))
def test_whatever_happens_calls_go_again(steps: list[tuple[str, float, int]]) -> None:
    """No order of answers, refusals, failures and waits leaves a key blocked for good, or a wait unbounded."""

    async def story() -> None:
        at = gate(fixed=FixedLimits(600, 100_000))
        open_calls: list[Admission] = []
        for step, number, job in steps:
            entered = await at.enter(asking(job))
            if isinstance(entered, Held):
                assert 0 < entered.wait <= 400
                await asyncio.sleep(number)
                continue
            match step:
                case "a":
                    entered.answered([(False, 60.0, number, number)], number)
                case "r":
                    entered.refused(wait=number or None)
                case "f":
                    entered.failed()
                case "w":
                    open_calls.append(entered)
                    continue
            entered.done()
        for call in open_calls:
            call.done()
            call.done()
        await asyncio.sleep(700)
        await admitted(at)

    in_time(story())


@pytest.mark.parametrize(
    ("one", "two", "is_same"),
    [
        pytest.param({"Authorization": "Bearer a"}, {"authorization": "Bearer a"}, True, id="spelling"),
        pytest.param({"Authorization": "Bearer a"}, {"Authorization": "Bearer b"}, False, id="other_key"),
        pytest.param({"api-key": "a"}, {"api-key": "b"}, False, id="azure"),
        pytest.param({"X-Trace": "1"}, {"X-Trace": "2"}, True, id="no_credential"),
        pytest.param({"OpenAI-Project": "a"}, {"OpenAI-Project": "b"}, False, id="other_project"),
    ],
)
def test_a_credential_is_known_by_its_fingerprint(
    one: dict[str, str], two: dict[str, str], is_same: bool
) -> None:
    """What authenticates a call tells keys apart, and cannot be found in them."""
    url = "https://llm.example.com/v1/chat/completions"
    assert (key_of(url, one, "m") == key_of(url, two, "m")) is is_same
    assert not any("Bearer" in part for part in key_of(url, one, "m"))


@pytest.mark.parametrize(
    ("url", "model", "host", "named"),
    [
        pytest.param("https://A.example.com:8443/v1/x", "m", "a.example.com:8443", "m", id="port"),
        pytest.param(
            "https://a.example.com/deployments/d/x", "", "a.example.com", "/deployments/d/x", id="azure"
        ),
        pytest.param("https://user:pw@a.example.com/x", "m", "a.example.com", "m", id="user"),
    ],
)
def test_host_and_model_are_parts_of_a_key(url: str, model: str, host: str, named: str) -> None:
    """The host has its port; a path stands for a model that is not named."""
    key = key_of(url, {}, model)
    assert (key.host, key.model) == (host, named)


def test_a_host_that_nobody_asks_any_more_is_not_down_for_ever() -> None:
    """Whoever was told that it is down is told so when it is forgotten: it may be well by then."""
    told: list[HostChange] = []

    async def story() -> None:
        at = gate(on_change=told.append)
        for job in range(5):
            await failed(at, job)
            await asyncio.sleep(1)
        assert [change.is_down for change in told] == [True]
        await asyncio.sleep(700)
        await answered(at, asking(key=KEY._replace(host="other.example.com")))
        assert [(change.host, change.is_down) for change in told[1:]] == [(KEY.host, False)]

    in_time(story())
