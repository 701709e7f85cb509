"""What becomes of a job whose answer is not as asked: incident, BPMN error, or complete; asked again or not."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.contract import ANSWER_NOT_JSON, ANSWER_TRUNCATED
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.observe.events import AnswerUnexpected, CallFailed, Event, Events
from openai_connector.openai_api import ApiError, ApiResponse, ApiTimeoutError
from openai_connector.tasks.operations import InvalidInputsError
from tests.make import KEY, PROMPT, FakeApi, connector, job, refused, sentences_in, tasks
from tests.unit.answers.answering import AS_OBJECT, AS_SCHEMA, body_of, choice_of
from tests.unit.test_connector import again

RESULT = {"resultExpression": "={city: output.json.city, text: output.text, condition: output.condition}"}


def response(content: Any, finish_reason: str = "stop") -> ApiResponse:
    """Make a response with one choice."""
    return ApiResponse(200, {}, body_of(choice_of(content, finish_reason)))


def api(*contents: Any) -> FakeApi:
    """Make an API that gives these answers one after the other; a response or an error as it is."""
    return FakeApi(answers=[c if isinstance(c, (ApiResponse, ApiError)) else response(c) for c in contents])


async def outcome_of(
    asked: FakeApi, headers: dict[str, str] | None = None, *, retries: int = 3, **inputs: Any
) -> Outcome:
    """Return what becomes of a chat task."""
    return await connector(asked).work(job(headers or RESULT, retries=retries, **inputs))


def error_of(outcome: Outcome) -> dict[str, Any]:
    """Return the error variable of a failure."""
    assert isinstance(outcome, Failed)
    error: dict[str, Any] = outcome.variables["error"]
    return error


class TestDefaults:
    """Nothing is chosen."""

    async def test_json_that_is_none_is_an_incident(self) -> None:
        """The process does not go on with null; the answer is kept, and the message says what to do."""
        asked = api("Paris")
        outcome = await outcome_of(asked, **AS_OBJECT)
        assert isinstance(outcome, Failed)
        assert outcome.retries == 0
        assert (error_of(outcome)["type"], error_of(outcome)["code"]) == ("AnswerError", ANSWER_NOT_JSON)
        assert {"ANSWER_NOT_JSON", "ASK_FOR_JSON", "ANSWER_WAY_OUT", "IS_KEPT"} <= sentences_in(
            outcome.message
        )
        assert "Paris" not in outcome.message

    async def test_a_text_that_is_cut_off_completes(self) -> None:
        """As with Camunda's connector; `output.condition` tells."""
        outcome = await outcome_of(api(response("Par", "length")))
        assert isinstance(outcome, Completed)
        assert outcome.variables["condition"] == ANSWER_TRUNCATED

    async def test_a_general_error_expression_does_not_act_on_it(self) -> None:
        """A text that completes by default has no `error`: expressions made for failures stay silent."""
        headers = RESULT | {"errorExpression": '=if error != null then bpmnError("FAILED") else null'}
        assert isinstance(await outcome_of(api(response("Par", "length")), headers), Completed)


class TestIncident:
    """`fail`."""

    async def test_a_text_too(self) -> None:
        """What completes by default is an incident where that is asked for."""
        outcome = await outcome_of(api(response("Par", "length")), unexpectedAnswer="fail")
        assert isinstance(outcome, Failed)
        assert outcome.retries == 0
        assert error_of(outcome)["code"] == ANSWER_TRUNCATED

    async def test_a_retried_incident_buys_nothing(self) -> None:
        """The kept answer fails again, and no call is made."""
        asked, first = api("Paris"), job(RESULT, **AS_OBJECT)
        outcome = await connector(asked).work(first)
        second = await connector(asked).work(again(first, outcome, retries=1))
        assert error_of(second)["code"] == ANSWER_NOT_JSON
        assert len(asked.requests) == 1

    async def test_the_ways_out_that_the_message_names(self) -> None:
        """Completed as it is, or asked again: by a local variable each."""
        asked, first = api("Paris", '{"city": "Paris"}'), job(RESULT, **AS_OBJECT)
        outcome = await connector(asked).work(first)
        taken = await connector(asked).work(again(first, outcome, retries=1, unexpectedAnswer="complete"))
        assert isinstance(taken, Completed)
        assert taken.variables == {"city": None, "text": "Paris", "condition": ANSWER_NOT_JSON}
        assert len(asked.requests) == 1
        asked_again = await connector(asked).work(again(first, outcome, retries=1, state=""))
        assert isinstance(asked_again, Completed)
        assert asked_again.variables["city"] == "Paris"
        assert len(asked.requests) == 2


class TestBpmnError:
    """`bpmnError`."""

    async def test_it_is_thrown_without_any_expression(self) -> None:
        """The code is the condition; the event that catches it sees condition, text and finish reason."""
        outcome = await outcome_of(api("Paris"), {}, unexpectedAnswer="bpmnError", **AS_OBJECT)
        assert isinstance(outcome, BpmnError)
        assert outcome.code == ANSWER_NOT_JSON
        assert outcome.variables == {"condition": ANSWER_NOT_JSON, "text": "Paris", "finishReason": "stop"}
        assert "ANSWER_NOT_JSON" in sentences_in(outcome.message)
        assert "openai_state" in outcome.keep  # uncaught, it comes back, and is not to be paid for again

    async def test_a_text_too_large_for_the_engine_is_an_incident(self) -> None:
        """What cannot be thrown is said."""
        outcome = await outcome_of(api("a" * 2_000_000), {}, unexpectedAnswer="bpmnError", **AS_OBJECT)
        assert isinstance(outcome, Failed)
        assert "DOCUMENT_TOO_LARGE" in sentences_in(outcome.message)


class TestComplete:
    """`complete`."""

    async def test_the_result_is_mapped(self) -> None:
        """The process goes on, and can see the condition."""
        outcome = await outcome_of(api("Paris"), unexpectedAnswer="complete", **AS_OBJECT)
        assert isinstance(outcome, Completed)
        assert outcome.variables == {"city": None, "text": "Paris", "condition": ANSWER_NOT_JSON}


class TestErrorExpression:
    """It has the first word, whatever is chosen."""

    @pytest.mark.parametrize("reaction", ["fail", "bpmnError", "complete"])
    @pytest.mark.parametrize(
        "expression",
        [
            '=if error.code = "ANSWER_NOT_JSON" then bpmnError("MINE", error.message) else null',
            '=if error.type = "AnswerError" then bpmnError("MINE") else null',
            '=if response.output.condition = "ANSWER_NOT_JSON" then bpmnError("MINE") else null',
            '=if response.output.text = "Paris" and error != null then bpmnError("MINE") else null',
        ],
    )
    async def test_it_decides(self, reaction: str, expression: str) -> None:
        """It sees the error, and the answer's output."""
        headers = {"errorExpression": expression}
        outcome = await outcome_of(api("Paris"), headers, unexpectedAnswer=reaction, **AS_OBJECT)
        assert isinstance(outcome, BpmnError)
        assert outcome.code == "MINE"

    @pytest.mark.parametrize("reaction", ["fail", "bpmnError", "complete"])
    async def test_null_leaves_it_to_what_was_chosen(self, reaction: str) -> None:
        """No decision is no decision."""
        headers = {"errorExpression": '=if error.code = "429" then bpmnError("BUSY") else null'}
        outcome = await outcome_of(api("Paris"), headers, unexpectedAnswer=reaction, **AS_OBJECT)
        assert type(outcome) is {"fail": Failed, "bpmnError": BpmnError, "complete": Completed}[reaction]

    async def test_it_may_ask_again(self) -> None:
        """A job error with retries left buys another answer: it says so."""
        headers = RESULT | {
            "errorExpression": '=if error.type = "AnswerError" then jobError(error.message, {}, job.retries - 1) else null'
        }
        asked, first = api("Paris", '{"city": "Paris"}'), job(headers, **AS_OBJECT)
        outcome = await connector(asked).work(first)
        assert isinstance(outcome, Failed)
        assert outcome.retries == 2
        second = await connector(asked).work(again(first, outcome))
        assert isinstance(second, Completed)
        assert second.variables["city"] == "Paris"

    async def test_it_may_ignore_it(self) -> None:
        """Variables of its own choice."""
        headers = {"errorExpression": '=if error != null then ignoreError({city: "unknown"}) else null'}
        assert await outcome_of(api("Paris"), headers, **AS_OBJECT) == Completed({"city": "unknown"})


class TestAskedAgain:
    """*Ask again once*."""

    async def test_the_model_sees_its_answer_and_what_was_wrong(self) -> None:
        """One more call; the result is its answer, and `output.calls` counts both."""
        asked = api('{"town": "Paris"}', '{"city": "Paris"}')
        outcome = await outcome_of(asked, {"resultVariable": "r"}, repair="true", **AS_SCHEMA)
        assert isinstance(outcome, Completed)
        output = outcome.variables["r"]["output"]
        assert (output["json"], output["calls"], output["condition"]) == ({"city": "Paris"}, 2, "AS_ASKED")
        first, second = (request["body"]["messages"] for request in asked.requests)
        assert second[:-2] == first
        assert second[-2] == {"role": "assistant", "content": '{"town": "Paris"}'}
        assert "JSON schema" in second[-1]["content"]
        assert [message["role"] for message in output["chatHistory"]] == ["user", "assistant"]
        assert asked.requests[1]["headers"]["X-Client-Request-Id"] == "7-3-1-again"

    async def test_a_text_that_is_cut_off_too(self) -> None:
        """Also where the task would complete anyway."""
        outcome = await outcome_of(api(response("Par", "length"), "Paris"), repair=True)
        assert isinstance(outcome, Completed)
        assert (outcome.variables["text"], outcome.variables["condition"]) == ("Paris", "AS_ASKED")

    @pytest.mark.parametrize(
        "first", [response(None, "content_filter"), response("No", "refusal")], ids=["filter", "refusal"]
    )
    async def test_not_where_it_is_of_no_use(self, first: ApiResponse) -> None:
        """What was refused or filtered would be again."""
        asked = api(first)
        await outcome_of(asked, repair="true", **AS_OBJECT)
        assert len(asked.requests) == 1

    async def test_once_only(self) -> None:
        """Not as asked again: the message says so, and a retried incident makes no third call."""
        asked, first = api("Paris", "still Paris"), job(RESULT, repair="true", **AS_OBJECT)
        outcome = await connector(asked).work(first)
        assert isinstance(outcome, Failed)
        assert "ANSWER_ALSO_AGAIN" in sentences_in(outcome.message)
        await connector(asked).work(again(first, outcome, retries=1))
        assert len(asked.requests) == 2

    async def test_a_passing_failure_of_it_keeps_the_first_answer(self) -> None:
        """The job comes back, and only the second call is made again."""
        asked = api("Paris", refused(503), '{"city": "Paris"}')
        first = job(RESULT, repair="true", **AS_OBJECT)
        outcome = await connector(asked).work(first)
        assert isinstance(outcome, Failed)
        assert outcome.retries == 2
        second = await connector(asked).work(again(first, outcome))
        assert isinstance(second, Completed)
        assert [len(request["body"]["messages"]) for request in asked.requests] == [1, 3, 3]

    @pytest.mark.parametrize(
        ("error", "retries"), [(refused(400), 3), (refused(503), 1)], ids=["permanent", "last"]
    )
    @pytest.mark.parametrize("reaction", ["bpmnError", "complete"])
    async def test_a_failure_of_it_for_good_leaves_the_first_answer(
        self, error: ApiError, retries: int, reaction: str
    ) -> None:
        """What was chosen happens to the first answer."""
        asked = api("Paris", error)
        outcome = await outcome_of(
            asked, retries=retries, repair="true", unexpectedAnswer=reaction, **AS_OBJECT
        )
        if reaction == "complete":
            assert isinstance(outcome, Completed)
            assert outcome.variables["text"] == "Paris"
        else:
            assert isinstance(outcome, BpmnError)
            assert "ANSWER_NOT_ASKED_AGAIN" in sentences_in(outcome.message)

    @pytest.mark.parametrize(
        "error", [refused(400), ApiResponse(200, {}, "<html>")], ids=["status", "no answer"]
    )
    @pytest.mark.parametrize(
        ("inputs", "headers"),
        [
            ({}, {}),
            ({"unexpectedAnswer": "complete"}, {}),
            ({"unexpectedAnswer": "complete"}, {"resultExpression": "=1"}),
            ({"unexpectedAnswer": "bpmnError"}, {}),
        ],
        ids=["incident", "complete", "bad expression", "uncaught error"],
    )
    async def test_asking_again_is_over_when_it_has_failed_for_good(
        self, error: Any, inputs: dict[str, Any], headers: dict[str, str]
    ) -> None:
        """However often the job comes back, the model is not asked a third time."""
        asked = api("Paris", error)
        current = job(headers, repair="true", **AS_OBJECT, **inputs)
        for _ in range(3):
            outcome = await connector(asked).work(current)
            if isinstance(outcome, Completed):
                break
            current = again(current, outcome, retries=1)
        assert len(asked.requests) == 2

    @pytest.mark.parametrize("reaction", ["fail", "bpmnError", "complete"])
    async def test_what_the_api_quotes_is_masked(self, reaction: str) -> None:
        """The key, the prompt and the first answer reach no message, whatever the second call's error quotes."""
        said = "an answer of more than twenty characters"
        error = refused(400, words=f"bad key {KEY}, prompt {PROMPT}, after: {said}")
        headers = {"errorExpression": "=ignoreError({m: error.message})"}
        outcome = await outcome_of(
            api(said, error), headers, repair="true", unexpectedAnswer=reaction, **AS_OBJECT
        )
        assert isinstance(outcome, Completed)
        assert "***" in outcome.variables["m"]
        for private in (KEY, PROMPT, said):
            assert private not in outcome.variables["m"]

    async def test_it_is_said_in_the_log(self) -> None:
        """An event tells that the answer was not as asked, and that a second call follows."""
        events: list[Event] = []
        work = connector(api("Paris", '{"city": "Paris"}'), events=Events(events.append)).work
        await work(job(RESULT, repair="true", **AS_OBJECT))
        [unexpected] = [event for event in events if isinstance(event, AnswerUnexpected)]
        assert (unexpected.condition, unexpected.is_asked_again) == (ANSWER_NOT_JSON, True)
        assert not [event for event in events if isinstance(event, CallFailed)]

    async def test_a_stop_during_it_keeps_the_first_answer(self) -> None:
        """A worker that is stopped gives the job back with the answer that is paid for."""

        class Stopping(FakeApi):
            async def send(self, *args: Any, **options: Any) -> ApiResponse:
                if self.requests:
                    await asyncio.sleep(60)
                return await super().send(*args, **options)

        asked, first = Stopping(answers=[response("Paris")]), job(RESULT, repair="true", **AS_OBJECT)
        working = asyncio.ensure_future(connector(asked).work(first))
        while not asked.requests:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        working.cancel()
        outcome = await working
        assert isinstance(outcome, Failed)
        assert outcome.retries == 3
        assert "GIVEN_BACK_DURING" in sentences_in(outcome.message)
        assert json.loads(outcome.variables["openai_state"])["response"]["body"]

    def test_the_lease_covers_both_calls(self) -> None:
        """A task that may ask twice needs twice the time."""
        once: Job = job(timeout="PT10S")
        assert tasks().time_needed(once.variables) == timedelta(seconds=10)
        assert tasks().time_needed(job(timeout="PT10S", repair="true").variables) == timedelta(seconds=20)
        assert tasks().time_needed(job(timeout="PT10S", repair="false").variables) == timedelta(seconds=10)


class TestInputs:
    """The two inputs."""

    @pytest.mark.parametrize("value", ["FAIL", " complete ", "bpmnerror", "", None])
    async def test_any_spelling(self, value: Any) -> None:
        """Letters' case and blanks do not matter."""
        assert not isinstance(await outcome_of(api("Hello"), unexpectedAnswer=value), Failed)

    @pytest.mark.parametrize(
        ("inputs", "label"),
        [
            ({"unexpectedAnswer": "ignore"}, "If the answer is not as asked"),
            ({"unexpectedAnswer": 5}, "If the answer is not as asked"),
            ({"repair": "maybe"}, "Ask again once"),
            ({"repair": 2}, "Ask again once"),
        ],
    )
    async def test_a_wrong_value_is_named(self, inputs: dict[str, Any], label: str) -> None:
        """Before anything is paid for."""
        asked = api("Hello")
        outcome = await outcome_of(asked, **inputs)
        assert error_of(outcome)["type"] == InvalidInputsError.__name__
        assert label in error_of(outcome)["message"]
        assert asked.requests == []

    @pytest.mark.parametrize("value", [True, "true", " TRUE "])
    async def test_true_as_text_or_boolean(self, value: Any) -> None:
        """A boolean of FEEL and the text of the dropdown."""
        asked = api("Paris", '{"city": "Paris"}')
        await outcome_of(asked, repair=value, **AS_OBJECT)
        assert len(asked.requests) == 2

    async def test_stream_false_may_be_sent(self) -> None:
        """Some servers stream unless they are told not to; true is refused."""
        asked = api("Hello")
        await outcome_of(asked, extraBody={"stream": False})
        assert asked.requests[0]["body"]["stream"] is False
        for value in (True, "false", None, 0):
            assert "Extra body" in error_of(await outcome_of(asked, extraBody={"stream": value}))["message"]


async def test_an_api_error_is_no_answer_error() -> None:
    """A failed call stays what it is."""
    timeout = ApiTimeoutError("late", code="408", recovery=refused(503).recovery, reason="timeout")
    assert error_of(await outcome_of(api(timeout), unexpectedAnswer="bpmnError"))["type"] == "ApiTimeoutError"
