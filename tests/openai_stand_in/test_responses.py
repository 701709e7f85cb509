"""Responses over time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.openai_stand_in import published
from tests.openai_stand_in.answers import REASONING_TOKENS, answer_to, failing_by_seed
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.asking import KEY, Asker, background, text_of_response, windowed
from tests.openai_stand_in.responses import FINAL, KEPT, KEPT_UNSTORED
from tests.openai_stand_in.world import HOUR, Pace, Retention

STEPS = ("queued", "in_progress")
TOOL = {
    "type": "function",
    "name": "find_order",
    "strict": False,
    "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
}


@pytest.fixture
def api() -> OpenAI:
    """A stand-in whose time stands still."""
    return OpenAI(scale=0)


@pytest.fixture
def asker(api: OpenAI) -> Asker:
    """Who asks it."""
    return Asker(api)


def until_done(asker: Asker, name: str) -> list[str]:
    """Return the statuses that a response goes through."""
    seen: list[str] = []
    while not seen or seen[-1] not in FINAL:
        status = asker.get(f"/responses/{name}")["status"]
        seen += [status] if status not in seen[-1:] else []
        asker.api.advance(0.1)
    return seen


def test_a_background_response_is_queued_then_worked_on_then_done(asker: Asker) -> None:
    """Proves the order of the states, and that the POST does not wait."""
    response = asker.post("/responses", background("What is it?"))

    assert response["status"] == "queued"
    assert (response["output"], response["usage"]) == ([], None)
    assert until_done(asker, response["id"]) == ["queued", "in_progress", "completed"]
    assert text_of_response(asker.get(f"/responses/{response['id']}")) == answer_to("What is it?")


def test_a_foreground_response_is_there_when_its_post_returns(asker: Asker) -> None:
    """Proves that without background the answer comes with the POST."""
    response = asker.post("/responses", {"model": "gpt-6-luna", "input": "Now?"})

    assert response["status"] == "completed"
    assert text_of_response(response) == answer_to("Now?")
    assert asker.get(f"/responses/{response['id']}") == response


def test_a_foreground_response_may_return_while_in_progress(asker: Asker) -> None:
    """Proves the case that was seen with the true API: 200, in progress, to be fetched like one of the background."""
    response = asker.post("/responses", {"model": "gpt-6-luna", "input": "Now? [in progress]"})

    assert response["status"] == "in_progress"
    assert until_done(asker, response["id"])[-1] == "completed"


@pytest.mark.parametrize(
    ("length", "seconds"), [pytest.param("2h", 2 * HOUR, id="2h"), pytest.param("8h", 8 * HOUR, id="8h")]
)
def test_a_window_is_kept(asker: Asker, length: str, seconds: float) -> None:
    """Proves that answers come spread over their window, and not one after it."""
    names = [asker.post("/responses", windowed(f"Question {n}", length))["id"] for n in range(40)]

    asker.api.advance(seconds / 2)
    half = sum(asker.get(f"/responses/{name}")["status"] == "completed" for name in names)
    asker.api.advance(seconds / 2)

    assert 5 < half < 35
    assert all(asker.get(f"/responses/{name}")["status"] == "completed" for name in names)


def test_a_window_may_be_missed() -> None:
    """Proves that the target is no guarantee where a test wants that."""
    asker = Asker(OpenAI(scale=0, pace=Pace(late=1)))
    name = asker.post("/responses", windowed("Late?", "2h"))["id"]

    asker.api.advance(2 * HOUR - 1)
    before = asker.get(f"/responses/{name}")["status"]
    asker.api.advance(HOUR + 1)

    assert before in STEPS
    assert asker.get(f"/responses/{name}")["status"] == "completed"


@pytest.mark.parametrize(
    ("retention", "store", "seconds"),
    [
        pytest.param("standard", True, KEPT, id="stored"),
        pytest.param("standard", None, KEPT, id="stored where nothing is said"),
        pytest.param("standard", False, KEPT_UNSTORED, id="not stored"),
        pytest.param("modified abuse monitoring", True, KEPT, id="stored by a project that says so"),
        pytest.param("modified abuse monitoring", None, KEPT_UNSTORED, id="a project that must say so"),
        pytest.param("zero", True, KEPT_UNSTORED, id="a project without retention"),
    ],
)
def test_a_response_is_gone_after_its_time(retention: Retention, store: bool | None, seconds: float) -> None:
    """Proves for how long an answer can be fetched, by what was asked and by the project."""
    asker = Asker(OpenAI(scale=0, retention=retention))
    name = asker.post("/responses", background("Kept?", store=store, metadata={}))["id"]
    until_done(asker, name)

    asker.api.advance(seconds - 1)
    before = asker.ask("GET", f"/responses/{name}")
    asker.api.advance(1)
    after = asker.ask("GET", f"/responses/{name}")

    assert (before.status, after.status) == (200, 404)
    published.check_answer("error", after.body)


def test_what_is_cancelled_is_not_bought_and_stays_cancelled(asker: Asker) -> None:
    """Proves that a cancellation ends the work, and may be repeated."""
    name = asker.post("/responses", windowed("Cancelled?", "8h"))["id"]

    first = asker.post(f"/responses/{name}/cancel")
    asker.api.advance(9 * HOUR)

    assert first["status"] == "cancelled"
    assert asker.post(f"/responses/{name}/cancel") == first
    assert asker.api.ledger.count == 0


def test_a_cancellation_that_comes_too_late_changes_nothing(asker: Asker) -> None:
    """Proves that a finished answer stays, and was bought."""
    name = asker.post("/responses", background("Too late?"))["id"]
    until_done(asker, name)

    assert asker.post(f"/responses/{name}/cancel")["status"] == "completed"
    assert asker.api.ledger.count == 1


def test_a_foreground_response_cannot_be_cancelled(asker: Asker) -> None:
    """Proves the published error."""
    name = asker.post("/responses", {"model": "gpt-6-luna", "input": "Now?"})["id"]

    assert asker.ask("POST", f"/responses/{name}/cancel").status == 400


def test_what_is_deleted_is_gone_and_bought_all_the_same(asker: Asker) -> None:
    """Proves that deleting does not undo a purchase, not even while it is worked on."""
    name = asker.post("/responses", background("Deleted?"))["id"]

    asker.delete(f"/responses/{name}")
    asker.api.advance(60)

    assert asker.ask("GET", f"/responses/{name}").status == 404
    assert asker.ask("DELETE", f"/responses/{name}").status == 404
    assert asker.api.ledger.count == 1


def test_another_project_does_not_see_a_response() -> None:
    """Proves that an id alone is not enough."""
    api = OpenAI(scale=0, project_of=lambda key: key)
    name = Asker(api).post("/responses", background("Whose?"))["id"]

    assert Asker(api, "sk-other").ask("GET", f"/responses/{name}").status == 404
    assert Asker(api, KEY).ask("GET", f"/responses/{name}").status == 200


@pytest.mark.parametrize(
    ("mark", "status", "bought"),
    [
        pytest.param("[fail: server_error]", "failed", 0, id="failed"),
        pytest.param(
            "[fail: server_is_overloaded]", "failed", 0, id="failed with a code that is not declared"
        ),
        pytest.param("[incomplete: content_filter]", "incomplete", 1, id="filtered"),
        pytest.param("[incomplete]", "incomplete", 1, id="cut off"),
        pytest.param("[refuse]", "completed", 1, id="refused"),
        pytest.param("[commentary]", "completed", 1, id="with a commentary"),
    ],
)
def test_a_prompt_may_wish_how_it_ends(asker: Asker, mark: str, status: str, bought: int) -> None:
    """Proves each end of a response, that it is a published one, and whether it is paid."""
    response = asker.post("/responses", {"model": "gpt-6-luna", "input": f"Wish {mark}"})

    assert response["status"] == status
    assert asker.api.ledger.count == bought
    published.check_answer("response", response)


def test_a_failure_that_passes_is_over_the_next_time(asker: Asker) -> None:
    """Proves that a failed answer can be bought anew."""
    body = {"model": "gpt-6-luna", "input": "Again? [fail once: rate_limit_exceeded]"}

    failed, done = asker.post("/responses", body), asker.post("/responses", body)

    assert (failed["status"], failed["error"]["code"]) == ("failed", "rate_limit_exceeded")
    assert done["status"] == "completed"
    assert asker.api.ledger.count == 1


def test_a_share_of_the_answers_fails_by_seed() -> None:
    """Proves that failures are as many as wished, and alike for a seed."""

    def statuses(seed: int) -> list[str]:
        asker = Asker(OpenAI(scale=0, decide=failing_by_seed(seed, 0.3)))
        bodies = [{"model": "gpt-6-luna", "input": f"Question {number}"} for number in range(200)]
        return [asker.post("/responses", body)["status"] for body in bodies]

    assert 30 < statuses(1).count("failed") < 90
    assert statuses(1) == statuses(1) != statuses(2)


def test_reasoning_is_sealed_and_counted_and_may_eat_up_the_answer(asker: Asker) -> None:
    """Proves that reasoning comes by default, and that too small a bound buys nothing but it."""
    body = {"model": "gpt-6-luna", "input": "Why?"}

    whole = asker.post("/responses", body)
    eaten = asker.post("/responses", body | {"max_output_tokens": 16})
    plain = asker.post("/responses", body | {"reasoning": {"effort": "none"}})

    assert whole["output"][0]["encrypted_content"]
    assert whole["usage"]["output_tokens_details"]["reasoning_tokens"] == REASONING_TOKENS
    assert (eaten["status"], text_of_response(eaten)) == ("incomplete", "")
    assert [item["type"] for item in plain["output"]] == ["message"]
    assert asker.api.ledger.count == 3


def test_a_tool_is_called_and_its_result_answered(asker: Asker) -> None:
    """Proves both rounds of a tool, the second by the whole history or by the id of the first."""
    asked = {"model": "gpt-6-luna", "input": "Please find_order A1", "tools": [TOOL]}
    first = asker.post("/responses", asked)
    call = first["output"][-1]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "sent"}
    history = [{"role": "user", "content": asked["input"]}, *first["output"], result]

    by_history = asker.post("/responses", asked | {"input": history})
    by_id = asker.post(
        "/responses", {"model": "gpt-6-luna", "input": [result], "previous_response_id": first["id"]}
    )

    assert json.loads(call["arguments"]) == {"id": "Please find_order A1"}
    assert text_of_response(by_history) == answer_to("Please find_order A1", ["sent"])
    assert text_of_response(by_id) == text_of_response(by_history)
    assert by_id["usage"]["input_tokens"] > first["usage"]["input_tokens"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"temperature": 0.5}, id="a temperature for a model that reasons"),
        pytest.param({"max_output_tokens": 15}, id="fewer tokens than there may be"),
        pytest.param({"background_options": {"completion_window": "2h"}}, id="a window in the foreground"),
        pytest.param(
            {"background": True, "background_options": {"completion_window": "2h"}, "service_tier": "flex"},
            id="a window of flex",
        ),
        pytest.param({"metadata": {"a": "b" * 513}}, id="too long a value in metadata"),
        pytest.param({"metadata": {str(n): "" for n in range(17)}}, id="too much metadata"),
        pytest.param({"text": {"format": {"type": "json_object"}}}, id="an object without the word"),
        pytest.param(
            {"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}},
            id="a name with a space",
        ),
        pytest.param(
            {
                "text": {
                    "format": {
                        "type": "json_schema",
                        "name": "a",
                        "strict": True,
                        "schema": {"type": "object"},
                    }
                }
            },
            id="a strict schema that is open",
        ),
        pytest.param(
            {"input": [{"type": "function_call_output", "call_id": "call_0", "output": "a"}]},
            id="a result of no call",
        ),
        pytest.param(
            {"input": [{"type": "function_call", "call_id": "call_0", "name": "a", "arguments": "{}"}]},
            id="a call without its result",
        ),
        pytest.param({"stream": True}, id="a stream"),
        pytest.param({"model": None}, id="no model"),
        pytest.param({"input": None}, id="no input"),
    ],
)
def test_what_the_api_refuses_is_refused_and_written_down(asker: Asker, change: dict[str, Any]) -> None:
    """Proves that a bad request gets a 400 in the published shape, buys nothing, and is complained of."""
    body = {"model": "gpt-6-luna", "input": "Refused?", **change}

    reply = asker.ask(
        "POST", "/responses", {name: value for name, value in body.items() if value is not None}
    )

    asker.api.advance(60)
    assert reply.status == 400
    published.check_answer("error", reply.body)
    assert len(asker.api.complaints) == 1
    assert asker.api.ledger.count == 0


@given(
    steps=st.lists(
        st.sampled_from(["get", "cancel", "delete", "a second", "an hour"]) | st.just("get"), max_size=12
    ),
    length=st.sampled_from(["soonest", "2h", "8h"]),
)
def test_a_response_is_bought_at_most_once_and_never_goes_back(steps: list[str], length: str) -> None:
    """Proves, for any order of requests, that states only advance and that done means bought once."""
    asker = Asker(OpenAI(scale=0))
    name = asker.post("/responses", windowed("Once?", length))["id"]
    order = ["queued", "in_progress", "completed", "cancelled"]
    seen: list[str] = []
    for step in steps:
        match step:
            case "get":
                reply = asker.ask("GET", f"/responses/{name}")
                seen += [reply.body["status"]] if reply.status == 200 else []
            case "cancel":
                asker.ask("POST", f"/responses/{name}/cancel")
            case "delete":
                asker.ask("DELETE", f"/responses/{name}")
            case _:
                asker.api.advance(1 if step == "a second" else HOUR)

    assert seen == sorted(seen, key=order.index)
    assert asker.api.ledger.count <= 1
    assert not {"completed", "cancelled"} <= set(seen)
    if "completed" in seen:
        assert asker.api.ledger.count == 1
