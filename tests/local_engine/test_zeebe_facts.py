"""What was measured on the real engine, 8.5.8 and 8.6.0.

Each sentence is a test, over the gateway or in process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pyzeebe.proto import gateway_pb2 as pb

from local_engine.documents import read_document
from local_engine.errors import Rejection
from tests.local_engine.bpmn import END, START, boundary, chain, definitions, error, job, on_error, process
from tests.local_engine.calls import Gateway, gateway
from tests.local_engine.world import World


def world(*tasks: str, ids: tuple[str, ...] = ("a", "b"), extra: str = "", before: str = "") -> World:
    """Return a world with a process of tasks in a row."""
    made = World()
    parts = tasks or (job("a"), job("b"))
    made.deploy(definitions(before, process("p", START, *parts, END, chain("start", *ids, "end"), extra)))
    return made


@pytest.fixture
async def client() -> AsyncIterator[Gateway]:
    """A client of an engine of this test's own."""
    async with gateway() as made:
        yield made


# ActivateJobs


def test_activated_variables_are_locals_merged_with_outer_ones() -> None:
    """`variables` holds the local inputs merged with all outer process variables."""
    w = world(job("a", inputs={"x": "=1"}), job("b"))
    w.start(x=0, y=2)
    assert w.take_one("a").variables == {"x": 1, "y": 2}


def test_fetch_variable_narrows_and_missing_names_are_absent() -> None:
    """`fetchVariable` narrows the variables to the names listed."""
    w = world()
    w.start(x=0, y=2)
    assert w.take("a", fetch=["y", "z"])[0].variables == {"y": 2}


async def test_a_long_poll_answers_when_an_instance_is_created(client: Gateway) -> None:
    """With an empty queue a long poll waits, and answers with the job that comes."""
    polling = asyncio.ensure_future(client.activate(wait=20_000))
    assert await client.activate("other", wait=-1) == []
    key = await client.create()
    assert [found.processInstanceKey for found in await polling] == [key]


async def test_a_streamed_job_comes_by_itself(client: Gateway) -> None:
    """StreamActivatedJobs yields a job as soon as it is created."""
    stream = client.stub.StreamActivatedJobs(
        pb.StreamActivatedJobsRequest(type="a", worker="w", timeout=60_000)
    )
    reading = asyncio.ensure_future(stream.read())
    key = await client.create()
    assert (await asyncio.wait_for(reading, 30)).processInstanceKey == key
    stream.cancel()


# Leases


def test_a_lease_that_is_over_gives_the_same_job_again() -> None:
    """The job is activated again with the same key and its retries unchanged, by the same worker too."""
    w = world()
    w.start()
    first = w.take_one("a")
    w.later(60_000)
    again = w.take_one("a")
    assert (again.key, again.retries) == (first.key, first.retries)


def test_a_late_completion_is_accepted_while_nobody_has_finished_the_job() -> None:
    """The first worker completes after its lease, and after another one has taken the job."""
    w = world()
    w.start()
    first = w.take_one("a")
    w.later(60_001)
    w.take_one("a")
    w.complete(first.key)
    assert len(w.take("b")) == 1


def test_a_completion_after_that_is_not_found() -> None:
    """The second worker's completion is NOT_FOUND."""
    w = world()
    w.start()
    key = w.do("a").key
    with pytest.raises(Rejection) as refused:
        w.complete(key)
    assert refused.value.status == "NOT_FOUND"


@pytest.mark.parametrize("milliseconds", [5_000, 36_000_000], ids=["five_seconds", "ten_hours"])
def test_update_job_timeout_sets_the_deadline_from_now(milliseconds: int) -> None:
    """The lease ends that long after the command; ten hours are accepted."""
    w = world()
    w.start()
    key = w.take_one("a").key
    w.later(1000)
    w.engine.jobs.update_timeout(key, milliseconds)
    w.settle()
    w.later(milliseconds - 1)
    assert w.take("a") == []
    w.later(1)
    assert w.take_one("a").key == key


def test_update_job_timeout_of_a_finished_job_is_not_found() -> None:
    """A heartbeat learns so that somebody else has finished the job."""
    w = world()
    w.start()
    key = w.do("a").key
    with pytest.raises(Rejection) as refused:
        w.engine.jobs.update_timeout(key, 1000)
    assert refused.value.status == "NOT_FOUND"


# FailJob and SetVariables


def test_fail_job_with_back_off_and_variables() -> None:
    """The job comes back after the back-off with what FailJob carried.

    Local to the task, not visible outside.
    """
    w = world()
    key = w.start()
    first = w.take_one("a")
    w.fail(first.key, 2, "later", back_off=700, kept=1)
    w.later(699)
    assert w.take("a") == []
    w.later(1)
    again = w.take_one("a")
    assert (again.key, again.retries, again.variables) == (first.key, 2, {"kept": 1})
    w.complete(again.key, other=2)
    assert w.local(key) == {"other": 2}


def test_set_variables_local_while_the_job_is_running() -> None:
    """What is set local to the task comes with the job the next time."""
    w = world()
    key = w.start()
    w.set(w.take_one("a").instance, local=True, kept=1)
    w.later(60_000)
    assert w.take_one("a").variables == {"kept": 1}
    assert w.local(key) == {}


def test_both_survive_the_lease() -> None:
    """Variables of FailJob and of SetVariables are still there after a lease has ended."""
    w = world()
    w.start()
    taken = w.take_one("a")
    w.set(taken.instance, local=True, one=1)
    w.fail(taken.key, 3, two=2)
    w.take_one("a")
    w.later(60_000)
    assert w.take_one("a").variables == {"one": 1, "two": 2}


def test_fail_job_without_retries_makes_an_incident() -> None:
    """The message is the job's."""
    w = world()
    w.start()
    w.fail(w.take_one("a").key, 0, "Prompt is missing")
    assert (w.incident().type, w.incident().message) == ("JOB_NO_RETRIES", "Prompt is missing")


def test_update_job_retries_alone_does_not_bring_the_job_back() -> None:
    """The incident must be resolved too.

    Then the job has the same key and the variables that FailJob carried.
    """
    w = world()
    w.start()
    key = w.take_one("a").key
    w.fail(key, 0, "failed", kept=1)
    w.engine.jobs.update_retries(key, 1)
    w.settle()
    assert w.take("a") == []
    w.resolve()
    again = w.take_one("a")
    assert (again.key, again.variables) == (key, {"kept": 1})


def test_the_incidents_key_is_near_the_jobs() -> None:
    """Keys are handed out in sequence, so that a test can try the numbers after the job's."""
    w = world()
    w.start()
    key = w.take_one("a").key
    w.fail(key, 0)
    assert key < w.incident().key <= key + 10


# ThrowError


def test_an_error_that_nothing_catches_parks_the_job() -> None:
    """OK to the caller, an incident, and later commands are FAILED_PRECONDITION."""
    w = world()
    w.start()
    key = w.take_one("a").key
    w.throw(key, "X")
    assert (w.engine.state.jobs[key].state, w.incident().type) == ("ERROR_THROWN", "UNHANDLED_ERROR_EVENT")
    with pytest.raises(Rejection) as refused:
        w.complete(key)
    assert refused.value.status == "FAILED_PRECONDITION"


def test_after_an_uncaught_error_the_job_comes_back_without_its_variables() -> None:
    """Variables of ThrowError are gone, those set before by SetVariables are there."""
    w = world()
    w.start()
    taken = w.take_one("a")
    w.set(taken.instance, local=True, kept=1)
    w.throw(taken.key, "X", why=2)
    w.resolve()
    again = w.take_one("a")
    assert (again.key, again.variables) == (taken.key, {"kept": 1})


@pytest.mark.parametrize(
    ("outputs", "seen"),
    [({}, {}), ({"reason": "=why"}, {"reason": 1})],
    ids=["without_a_mapping", "with_a_mapping"],
)
def test_error_variables_are_local_to_the_event(outputs: dict[str, str], seen: dict[str, Any]) -> None:
    """Without an output mapping on the boundary event the next task does not see them."""
    caught = boundary("caught", "a", on_error("E"), outputs=outputs) + job("c") + '<bpmn:endEvent id="e2"/>'
    w = world(extra=caught + chain("caught", "c", "e2"), before=error("E", "X"))
    w.start()
    w.throw(w.take_one("a").key, "X", why=1)
    assert w.take_one("c").variables == seen


# What is refused


@pytest.mark.parametrize(
    "variables",
    ["[1]", '"x"', '{"a":NaN}', '{"a":18446744073709551616}'],
    ids=["array", "string", "nan", "2^64"],
)
@pytest.mark.parametrize("command", ["CompleteJob", "FailJob"])
async def test_documents_that_are_refused(client: Gateway, command: str, variables: str) -> None:
    """INVALID_ARGUMENT, and the job stays activated."""
    key = (await client.job()).key
    kind = getattr(pb, f"{command}Request")
    assert (await client.code(command, kind(jobKey=key, variables=variables)))[0] == "INVALID_ARGUMENT"
    assert client.server.engine.state.jobs[key].state == "ACTIVATED"


@pytest.mark.parametrize(
    ("megabytes", "code"), [(1, "OK"), (2, "OK"), (3, "UNKNOWN")], ids=["one", "two", "three_megabytes"]
)
@pytest.mark.parametrize("command", ["CompleteJob", "FailJob"])
async def test_large_documents(client: Gateway, command: str, megabytes: int, code: str) -> None:
    """One and two megabytes are accepted, three are UNKNOWN with EXCEEDED_BATCH_RECORD_SIZE."""
    key = (await client.job()).key
    variables = json.dumps({"x": "y" * megabytes * 1_000_000})
    request = getattr(pb, f"{command}Request")(jobKey=key, variables=variables)
    found, details = await client.code(command, request)
    assert (found, "EXCEEDED_BATCH_RECORD_SIZE" in details) == (code, code == "UNKNOWN")


async def test_grpcs_own_limit_is_four_megabytes(client: Gateway) -> None:
    """A larger request is RESOURCE_EXHAUSTED."""
    request = pb.CompleteJobRequest(
        jobKey=(await client.job()).key, variables=json.dumps({"x": "y" * 4_300_000})
    )
    assert (await client.code("CompleteJob", request))[0] == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("command", ["CompleteJob", "FailJob"])
async def test_nesting(client: Gateway, command: str) -> None:
    """A document nested a thousand deep is fine; what kills the real broker is refused here."""
    key = (await client.job()).key
    kind = getattr(pb, f"{command}Request")
    for depth in (2000, 5000):
        deep = kind(jobKey=key, variables='{"a":' + "[" * depth + "]" * depth + "}")
        assert (await client.code(command, deep))[0] == "INVALID_ARGUMENT"
    fine = kind(jobKey=key, variables='{"a":' + "[" * 1000 + "]" * 1000 + "}")
    assert (await client.code(command, fine))[0] == "OK"


def test_lone_surrogates_become_question_marks() -> None:
    """A text that no UTF-8 can hold is kept with `?`."""
    assert read_document('{"a":"\\ud83d x"}')["a"].text == '"? x"'


def test_a_long_message_is_kept_shortened() -> None:
    """50,000 characters are accepted, and 10,000 kept."""
    w = world()
    w.start()
    w.fail(w.take_one("a").key, 0, "x" * 50_000)
    assert len(w.incident().message) == 10_000


# Variables


def test_locals_shadow_results() -> None:
    """What FailJob left, and the task's own inputs, stay local when CompleteJob carries their names."""
    w = world(job("a", inputs={"own": "=1"}), job("b"))
    w.start()
    key = w.take_one("a").key
    w.fail(key, 3, left=1)
    w.complete(w.take_one("a").key, own=2, left=2, new=3)
    assert w.take_one("b").variables == {"new": 3}


def test_a_process_variable_leaks_into_an_input_that_is_not_mapped() -> None:
    """It is delivered with the job as if it were local."""
    w = world()
    w.start(openai_temperature=1)
    assert w.take_one("a").variables == {"openai_temperature": 1}


def test_an_existing_job_keeps_its_headers() -> None:
    """A newer version of the diagram changes nothing for a job that is there."""
    w = world(job("a", headers={"h": "old"}), job("b"))
    w.start()
    w.take_one("a")
    newer = process(
        "p", START, job("a", headers={"h": "new"}), job("b"), END, chain("start", "a", "b", "end")
    )
    w.deploy(definitions(newer))
    w.later(60_000)
    assert w.take_one("a").headers == {"h": "old"}


async def test_partition_health_is_an_enum(client: Gateway) -> None:
    """Topology's health is compared by its value."""
    topology = await client.stub.Topology(pb.TopologyRequest())
    assert topology.brokers[0].partitions[0].health == pb.Partition.HEALTHY
