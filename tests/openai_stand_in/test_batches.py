"""Batches over time, and what is in their files."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.openai_stand_in import published
from tests.openai_stand_in.answers import answer_to
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.asking import Asker, chat_line, text_of_response, window
from tests.openai_stand_in.batches import IN_FLIGHT
from tests.openai_stand_in.lines import LINE_WAYS, BatchWay, Fates, LineWay, lines_by_seed
from tests.openai_stand_in.world import DAY, HOUR, MINUTE

OVER = frozenset({"completed", "failed", "expired", "cancelled"})


def questions(count: int) -> list[dict[str, Any]]:
    """Return lines that each ask something of their own."""
    return [chat_line(f"job-{n}", f"Question {n}") for n in range(count)]


def asker_of(*, line: LineWay = "", batch: BatchWay = "", seed: int = 0) -> Asker:
    """Return who asks a stand-in whose lines and batches all end in one way."""
    fates = Fates(line=lambda custom_id, nth: line, batch=lambda nth: batch)
    return Asker(OpenAI(scale=0, seed=seed, fates=fates))


def until_over(asker: Asker, name: str, *, step: float = 5) -> list[str]:
    """Return the states that a batch goes through."""
    seen: list[str] = []
    while not seen or seen[-1] not in OVER:
        batch = asker.get(f"/batches/{name}")
        published.check_answer("batch", batch)
        seen += [batch["status"]] if batch["status"] not in seen[-1:] else []
        asker.api.advance(step if batch["status"] != "in_progress" else 100 * step)
    return seen


def files_of(asker: Asker, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the lines of both files of a batch."""
    batch = asker.get(f"/batches/{name}")
    return asker.lines(batch["output_file_id"]), asker.lines(batch["error_file_id"])


def test_a_batch_goes_its_way_and_each_line_gets_its_own_answer() -> None:
    """Proves the order of the states, that no answer is mixed up, and half the price."""
    asker = asker_of()
    name = asker.batch(questions(30))["id"]

    states = until_over(asker, name)

    assert [state for state in states if state != "finalizing"] == ["validating", "in_progress", "completed"]
    output, errors = files_of(asker, name)
    assert errors == []
    assert {
        line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"] for line in output
    } == {f"job-{n}": answer_to(f"Question {n}") for n in range(30)}
    assert [line["custom_id"] for line in output] != [f"job-{n}" for n in range(30)]
    batch = asker.get(f"/batches/{name}")
    assert batch["request_counts"] == {"total": 30, "completed": 30, "failed": 0}
    assert {purchase.tier for purchase in asker.api.ledger} == {"batch"}
    prices = (
        Decimal("0.10") * batch["usage"]["input_tokens"],
        Decimal("0.50") * batch["usage"]["output_tokens"],
    )
    assert asker.api.ledger.cost == sum(prices) / 2 / 1_000_000


@pytest.mark.parametrize(
    ("endpoint", "body", "kind"),
    [
        pytest.param("/v1/responses", {"model": "gpt-6-luna", "input": "a"}, "response", id="responses"),
        pytest.param(
            "/v1/embeddings", {"model": "text-embedding-3-small", "input": "a"}, "embedding", id="embeddings"
        ),
        pytest.param("/v1/moderations", {"input": "a"}, "moderation", id="moderations"),
    ],
)
def test_every_endpoint_answers_in_a_batch_as_it_does_by_itself(
    endpoint: str, body: dict[str, Any], kind: str
) -> None:
    """Proves that lines go through the code that answers the plain endpoint."""
    asker = asker_of()
    name = asker.batch([{"custom_id": "1", "method": "POST", "url": endpoint, "body": body}], endpoint)["id"]

    until_over(asker, name)

    [line] = files_of(asker, name)[0]
    answer = line["response"]["body"]
    published.check_answer(kind, answer)
    plain = asker.post(endpoint.removeprefix("/v1"), body)
    assert answer.keys() == plain.keys()
    if kind == "response":
        assert text_of_response(answer) == text_of_response(plain)


@pytest.mark.parametrize(
    ("lines", "code", "number"),
    [
        pytest.param([b'{"custom_id": '], "invalid_json_line", 1, id="no JSON"),
        pytest.param([b"[]"], "invalid_json_line", 1, id="no object"),
        pytest.param([], "empty_file", None, id="nothing"),
        pytest.param([chat_line("1", "a"), chat_line("1", "b")], "duplicate_custom_id", 2, id="an id twice"),
        pytest.param(
            [chat_line("1", "a"), b"", chat_line("2", "b", model="gpt-5.4")],
            "mismatched_model",
            3,
            id="two models",
        ),
        pytest.param(
            [chat_line("1", "a") | {"url": "/v1/responses"}], "invalid_url", 1, id="another endpoint"
        ),
        pytest.param([chat_line("1", "a") | {"method": "GET"}], "invalid_method", 1, id="another method"),
        pytest.param([chat_line("1", "a") | {"custom_id": 1}], "invalid_type", 1, id="a number as id"),
        pytest.param([chat_line("1", "a") | {"priority": 1}], "unknown_parameter", 1, id="an unknown key"),
        pytest.param([{"custom_id": "1"}], "missing_required_parameter", 1, id="a line with an id alone"),
    ],
)
def test_an_ill_made_file_fails_the_batch_with_the_number_of_the_line(
    lines: list[Any], code: str, number: int | None
) -> None:
    """Proves that nothing of such a batch is run or bought, and that it is complained of."""
    asker = asker_of()
    rows = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    file = asker.upload(b"\n".join(rows)).body
    name = asker.post("/batches", {"input_file_id": file["id"], **window("/v1/chat/completions")})["id"]

    assert until_over(asker, name) == ["validating", "failed"]

    batch = asker.get(f"/batches/{name}")
    assert (batch["errors"]["data"][0]["code"], batch["errors"]["data"][0]["line"]) == (code, number)
    assert (batch["output_file_id"], batch["error_file_id"]) == (None, None)
    assert asker.api.ledger.count == 0
    assert asker.api.complaints


def test_a_batch_may_fail_for_no_fault_of_its_own() -> None:
    """Proves that a full queue fails a batch, and nothing is complained of."""
    asker = asker_of(batch="over the limit")
    name = asker.batch(questions(2))["id"]

    assert until_over(asker, name) == ["validating", "failed"]
    assert asker.get(f"/batches/{name}")["errors"]["data"][0]["code"] == "token_limit_exceeded"
    assert not asker.api.complaints


def test_a_line_that_the_endpoint_refuses_is_in_the_error_file_alone() -> None:
    """Proves that one bad line costs nothing and spoils no other."""
    asker = asker_of()
    name = asker.batch([chat_line("good", "a"), chat_line("bad", "b", temperature=0.5)])["id"]

    until_over(asker, name)

    [good], [bad] = files_of(asker, name)
    assert (good["custom_id"], bad["custom_id"], bad["response"]["status_code"]) == ("good", "bad", 400)
    assert asker.api.ledger.count == 1
    assert asker.api.complaints


@pytest.mark.parametrize(
    ("way", "is_response", "is_error", "is_output"),
    [
        pytest.param("400", True, False, False, id="a response of 400, without an error"),
        pytest.param("500", True, False, False, id="a response of 500, without an error"),
        pytest.param("null", False, True, False, id="an error, without a response"),
        pytest.param("zero", True, False, True, id="a status of 0 among the good ones"),
    ],
)
def test_lines_that_were_not_run_have_odd_shapes_and_cost_nothing(
    way: LineWay, is_response: bool, is_error: bool, is_output: bool
) -> None:
    """Proves each shape that has been seen."""
    asker = asker_of(line=way)
    name = asker.batch(questions(1))["id"]

    until_over(asker, name)

    output, errors = files_of(asker, name)
    [line] = output or errors
    assert (line["response"] is not None, line["error"] is not None, bool(output)) == (
        is_response,
        is_error,
        is_output,
    )
    assert asker.api.ledger.count == 0


def test_a_missing_line_is_in_neither_file_and_counted() -> None:
    """Proves that only the count tells of such a line."""
    asker = asker_of(line="missing")
    name = asker.batch(questions(2))["id"]

    until_over(asker, name)

    batch = asker.get(f"/batches/{name}")
    assert (batch["output_file_id"], batch["error_file_id"]) == (None, None)
    assert batch["request_counts"] == {"total": 2, "completed": 0, "failed": 2}


def test_what_is_done_when_the_day_is_over_is_kept_and_paid_and_the_rest_expired() -> None:
    """Proves that an expired batch has both kinds of lines."""
    asker = asker_of(batch="expires")
    name = asker.batch(questions(40))["id"]

    states = until_over(asker, name)

    output, errors = files_of(asker, name)
    assert states[-1] == "expired"
    assert (len(output) + len(errors), asker.api.ledger.count) == (40, len(output))
    assert {line["error"]["code"] for line in errors} == {"batch_expired"}
    assert output


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed {seed}") for seed in range(4)])
def test_a_cancelled_batch_keeps_what_was_done(seed: int) -> None:
    """Proves that cancelling takes its time, and that only what was run is paid; the rest may go unnamed."""
    asker = asker_of(seed=seed)
    name = asker.batch(questions(60))["id"]
    asker.api.advance(10 * MINUTE)

    asker.post(f"/batches/{name}/cancel")
    again = asker.post(f"/batches/{name}/cancel")
    states = until_over(asker, name)
    asker.api.advance(DAY)

    output, errors = files_of(asker, name)
    assert again["status"] == "cancelling"
    assert states == ["cancelling", "cancelled"]
    assert asker.api.ledger.count == len(output) < 60
    assert len(errors) in (0, 60 - len(output))
    assert all(purchase.at <= again["cancelling_at"] + 1 + IN_FLIGHT for purchase in asker.api.ledger)


def test_a_batch_that_is_over_cannot_be_cancelled() -> None:
    """Proves the error."""
    asker = asker_of()
    name = asker.batch(questions(1))["id"]
    until_over(asker, name)

    assert asker.ask("POST", f"/batches/{name}/cancel").status == 400


def test_batches_are_listed_the_newest_first_page_by_page() -> None:
    """Proves that all are found by following the pages, each once."""
    asker = asker_of()
    made = [asker.batch(questions(1))["id"] for _ in range(7)]
    found: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    while True:
        page = asker.get("/batches", **query)
        found += [batch["id"] for batch in page["data"]]
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]

    assert found == made[::-1]


def test_files_go_when_their_time_is_over() -> None:
    """Proves expiry by what was asked, of inputs and outputs, and 30 days where nothing was."""
    asker = asker_of()
    content = json.dumps(chat_line("1", "a")).encode()
    short = asker.upload(
        content, **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    ).body
    usual = asker.upload(content).body
    expiry = {"output_expires_after": {"anchor": "created_at", "seconds": 7200}}
    asked = {"input_file_id": usual["id"], **window("/v1/chat/completions"), **expiry}
    name = asker.post("/batches", asked)["id"]
    until_over(asker, name)
    output = asker.get(f"/batches/{name}")["output_file_id"]

    asker.api.advance(2 * HOUR)

    assert asker.ask("GET", f"/files/{short['id']}").status == 404
    assert asker.ask("GET", f"/files/{output}/content").status == 404
    assert asker.get(f"/files/{usual['id']}")["expires_at"] == usual["created_at"] + 30 * DAY


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"purpose": "batches"}, id="an unknown purpose"),
        pytest.param(
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "60"}, id="kept for a minute"
        ),
        pytest.param({"expires_after[anchor]": "created_at"}, id="no seconds"),
        pytest.param({"expires_after[seconds]": "3600"}, id="no anchor"),
        pytest.param({"ttl": "3600"}, id="an unknown field"),
    ],
)
def test_a_bad_upload_is_refused_and_written_down(fields: dict[str, str]) -> None:
    """Proves that a form is looked at as closely as JSON."""
    asker = asker_of()

    assert asker.upload(b"{}", **fields).status == 400
    assert len(asker.api.complaints) == 1
    assert asker.get("/files")["data"] == []


@settings(max_examples=40)
@given(
    seed=st.integers(0, 99),
    share=st.sampled_from([0, 0.3, 1]),
    way=st.sampled_from(["", "expires"]),
    cancelled_after=st.none() | st.floats(0, 2 * DAY),
)
def test_each_line_has_one_end_and_is_paid_if_it_has_an_answer(
    seed: int, share: float, way: BatchWay, cancelled_after: float | None
) -> None:
    """Proves, for any end of a batch, that files, counts and books agree."""
    fates = Fates(line=lines_by_seed(seed, share), batch=lambda nth: way)
    asker = Asker(OpenAI(scale=0, seed=seed, fates=fates))
    name = asker.batch(questions(25))["id"]
    if cancelled_after is not None:
        asker.api.advance(cancelled_after)
        asker.ask("POST", f"/batches/{name}/cancel")
    until_over(asker, name)
    asker.api.advance(DAY)

    output, errors = files_of(asker, name)
    batch = asker.get(f"/batches/{name}")
    found = Counter(line["custom_id"] for line in [*output, *errors])
    answered = [line["custom_id"] for line in output if line["response"]["status_code"] == 200]
    counts = batch["request_counts"]
    assert set(found.values()) <= {1}
    assert Counter(answered) == Counter(purchase.buyer.custom_id for purchase in asker.api.ledger)
    assert counts["completed"] == len(output)
    assert counts["failed"] >= len(errors)
    assert not asker.api.drifted


def test_every_way_of_a_line_comes_by_seed() -> None:
    """Proves that a share of the lines goes wrong, in all ways, and alike for a seed."""
    choose = lines_by_seed(1, 0.2)
    ways = [choose(f"job-{n}", 1) for n in range(1000)]

    assert set(ways) == {"", *LINE_WAYS}
    assert 150 < sum(way != "" for way in ways) < 250
    assert ways == [lines_by_seed(1, 0.2)(f"job-{n}", 1) for n in range(1000)]
