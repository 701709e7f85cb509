"""How often is looked, where to, and what is remembered in between: pure rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.outcome.memory import TaskMemory, WaitingCall
from openai_connector.tasks.task_type import AnswerNeeded
from openai_connector.waiting.pace import PACES, WaitOptions, pause_after, seconds_in_slot
from openai_connector.waiting.response_api import Target
from tests.make import job

ids = st.text(min_size=1, max_size=80)


@given(st.floats(min_value=0.3, max_value=30))
def test_an_answer_is_late_by_a_tenth_at_most(ready_after: float) -> None:
    """Whenever it is there, the next look comes within 8 % of the time waited, or 0.25 s."""
    moment = 0.0
    while moment < ready_after:
        moment += pause_after(moment)
    assert moment - ready_after <= max(0.25, 0.08 * moment)


@given(
    st.sampled_from(sorted(PACES)),
    st.floats(min_value=0, max_value=1e6),
    st.floats(min_value=0, max_value=1e5),
)
def test_the_back_off_grows_within_its_bounds(needed: AnswerNeeded, waited: float, more: float) -> None:
    """The longer a job has waited, the later it comes back: after 2 s at least, and 5 min at most."""
    pace = PACES[needed]
    assert 2 <= pace.back_off(waited) <= pace.back_off(waited + more) <= 300


@pytest.mark.parametrize(
    ("needed", "seconds"),
    [
        pytest.param(AnswerNeeded.NOW, 90, id="now"),
        pytest.param(AnswerNeeded.NOW_KEPT, 7, id="nowKept"),
        pytest.param(AnswerNeeded.WITHIN_2H, 0, id="2h"),
        pytest.param(AnswerNeeded.WITHIN_8H, 0, id="8h"),
    ],
)
def test_who_waits_in_the_slot(needed: AnswerNeeded, seconds: float) -> None:
    """A foreground call until its timeout, a kept one as the operator says, those with a window not at all."""
    options = WaitOptions(kept_wait=timedelta(seconds=7))
    assert seconds_in_slot(needed, timedelta(seconds=90), options) == seconds


@pytest.mark.parametrize(
    ("url", "id_", "address"),
    [
        pytest.param("https://h/v1/responses", "resp_1", "https://h/v1/responses/resp_1", id="plain"),
        pytest.param("https://h/v1/responses/", "resp_1", "https://h/v1/responses/resp_1", id="slash"),
        pytest.param("https://h/r?api-version=1", "a", "https://h/r/a?api-version=1", id="query"),
        pytest.param(
            "https://h/r", "../files/x?y#z", "https://h/r/..%2Ffiles%2Fx%3Fy%23z", id="no_path_of_its_own"
        ),
    ],
)
def test_a_response_is_below_where_it_was_asked_for(url: str, id_: str, address: str) -> None:
    """Its id is one segment of the path, whatever the API calls it."""
    assert Target(url, ()).address(id_) == address


@given(ids, st.floats(min_value=0, max_value=1e10), st.integers(0, 2**53), st.none() | st.floats(0, 1e10))
def test_what_is_remembered_of_a_call_is_read_again(
    id_: str, since: float, fetched: int, watched_since: float | None
) -> None:
    """By the engine's state, and by the store's record."""
    call = WaitingCall(id_, since, fetched=fetched, watched_since=watched_since)
    assert WaitingCall.read(call.record()) == call
    given_job = job()
    memory = TaskMemory(given_job.key).with_waiting("asked", call)
    read = TaskMemory.of(job(state=memory.variables()["openai_state"]))
    assert read == memory
    assert read.waiting_for("asked") == call
    assert read.waiting_for("something else") is None


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"status": 200, "headers": {}, "body": {"id": "resp_1"}}, id="an_answer"),
        pytest.param({"waitingCall": None}, id="null"),
        pytest.param({"waitingCall": {"id": 1, "since": 2, "kind": "response"}}, id="no_text"),
        pytest.param({"waitingCall": {"id": "a", "since": "b", "kind": "response"}}, id="no_time"),
        pytest.param([], id="no_object"),
    ],
)
def test_what_is_no_record_is_none(record: Any) -> None:
    """A spoilt or foreign state is ignored, as ever."""
    assert WaitingCall.read(record) is None
