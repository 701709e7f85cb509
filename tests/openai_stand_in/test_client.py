"""A client that nobody here wrote, against the stand-in: the vendor's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.openai_stand_in.answers import answer_to
from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.asking import chat_line
from tests.openai_stand_in.faults import Call, Way
from tests.openai_stand_in.world import DAY, HOUR

MODEL = "gpt-6-luna"


@pytest.fixture
def api() -> Iterator[OpenAI]:
    """A stand-in for which half an hour passes in a second."""
    with OpenAI(scale=1800, keys=frozenset({"sk-known"})).in_thread() as api:
        yield api
        assert api.drifted == []


@pytest.fixture
def client(api: OpenAI) -> Iterator[openai.OpenAI]:
    """The client."""
    with openai.OpenAI(api_key="sk-known", base_url=api.base_url, max_retries=0) as client:
        yield client


def test_a_response_in_the_background(api: OpenAI, client: openai.OpenAI) -> None:
    """Proves that it can be made, fetched until it is done, cancelled and deleted."""
    response = client.responses.create(
        model=MODEL, input="Later?", background=True, store=True, metadata={"job": "1"}
    )
    while response.status in ("queued", "in_progress"):
        response = client.responses.retrieve(response.id)

    assert response.output_text == answer_to("Later?")
    assert client.responses.cancel(response.id).status == "completed"
    assert len(client.responses.input_items.list(response.id).data) == 1
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    [purchase] = api.ledger
    assert (purchase.buyer.metadata, purchase.handed_out) == ({"job": "1"}, 2)
    assert api.complaints == []


def test_a_response_of_a_window_that_is_cancelled(api: OpenAI, client: openai.OpenAI) -> None:
    """Proves that the client's own words for windows are understood."""
    response = client.responses.create(
        model=MODEL, input="Much later?", background=True, background_options={"completion_window": "8h"}
    )

    assert client.responses.cancel(response.id).status == "cancelled"
    api.advance(8 * HOUR)
    assert client.responses.retrieve(response.id).status == "cancelled"
    assert (api.ledger.count, api.complaints) == (0, [])


def test_what_is_answered_at_once(api: OpenAI, client: openai.OpenAI) -> None:
    """Proves chat, responses, moderations, embeddings and models."""
    chat = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Now?"}])
    response = client.responses.create(model=MODEL, input="Now?")
    moderation = client.moderations.create(input="I kill you")
    embedding = client.embeddings.create(model="text-embedding-3-small", input="a", dimensions=4)

    assert chat.choices[0].message.content == response.output_text == answer_to("Now?")
    assert moderation.results[0].categories.violence
    assert len(embedding.data[0].embedding) == 4
    assert client.models.retrieve(MODEL).id in {model.id for model in client.models.list()}
    assert api.complaints == []


def test_a_batch(api: OpenAI, client: openai.OpenAI) -> None:
    """Proves the whole way of a batch: file, batch, list, content, deletion."""
    lines = [chat_line(f"job-{n}", f"Question {n}") for n in range(20)]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file = client.files.create(
        file=("in.jsonl", content),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 2_592_000},
    )
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"fleet": "a"},
        output_expires_after={"anchor": "created_at", "seconds": 86_400},
    )
    api.advance(DAY / 2)
    batch = client.batches.retrieve(batch.id)

    assert batch.status == "completed"
    assert batch.output_file_id is not None
    found = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    assert {line["custom_id"] for line in found} == {line["custom_id"] for line in lines}
    assert [(one.id, one.metadata) for one in client.batches.list(limit=1)] == [(batch.id, {"fleet": "a"})]
    assert client.files.content(file.id).read() == content
    assert client.files.delete(file.id).deleted
    assert [one.purpose for one in client.files.list()] == ["batch_output"]
    assert api.complaints == []


def test_a_batch_that_is_cancelled(api: OpenAI, client: openai.OpenAI) -> None:
    """Proves that the client can cancel one."""
    file = client.files.create(file=("in.jsonl", json.dumps(chat_line("1", "a")).encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )

    assert client.batches.cancel(batch.id).status == "cancelling"
    api.advance(HOUR)
    assert client.batches.retrieve(batch.id).status == "cancelled"


@pytest.mark.parametrize(
    ("call", "error", "code"),
    [
        pytest.param(
            lambda client: client.responses.retrieve("resp_unknown"),
            openai.NotFoundError,
            None,
            id="an unknown id",
        ),
        pytest.param(
            lambda client: client.responses.create(model="gpt-0", input="a"),
            openai.NotFoundError,
            "model_not_found",
            id="an unknown model",
        ),
        pytest.param(
            lambda client: client.responses.create(model=MODEL, input="a", extra_body={"n": 2}),
            openai.BadRequestError,
            "unknown_parameter",
            id="an unknown field",
        ),
        pytest.param(
            lambda client: client.with_options(api_key="sk-other").models.list(),
            openai.AuthenticationError,
            "invalid_api_key",
            id="an unknown key",
        ),
        pytest.param(
            lambda client: client.responses.create(
                model=MODEL, input="a", previous_response_id="resp_unknown"
            ),
            openai.BadRequestError,
            "previous_response_not_found",
            id="an unknown response before",
        ),
        pytest.param(
            lambda client: client.batches.list(limit=0), openai.BadRequestError, None, id="an empty page"
        ),
    ],
)
def test_what_is_refused_is_an_error_of_the_client(
    client: openai.OpenAI,
    call: Callable[[openai.OpenAI], Any],
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    """Proves that the client knows the errors as what they are."""
    with pytest.raises(error) as caught:
        call(client)

    assert (caught.value.code, caught.value.type) == (code, "invalid_request_error")


def test_the_client_tries_again_as_it_is_told(api: OpenAI, client: openai.OpenAI) -> None:
    """Proves that the hints of a 429 are such as the client follows."""
    api.choose = lambda call: Way("429 to slow down") if call.nth == 1 else Way()

    chat = client.with_options(max_retries=1).chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Again?"}]
    )

    assert chat.choices[0].message.content == answer_to("Again?")
    assert [call.status for call in api.calls] == [429, 200]


def test_a_purchase_whose_answer_is_lost_is_made_twice_by_the_client(
    api: OpenAI, client: openai.OpenAI
) -> None:
    """Proves that the books show what a client without an id pays for a broken connection."""

    def choose(call: Call) -> Way:
        return Way("reset after") if call.nth == 1 else Way()

    api.choose = choose
    client.with_options(max_retries=1).responses.create(model=MODEL, input="Twice?")

    assert api.ledger.duplicates() == {"Twice?": 2}
    assert [purchase.handed_out for purchase in api.ledger] == [0, 1]
