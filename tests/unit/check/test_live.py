"""The questions to OpenAI itself, asked of the stand-in that knows responses and conversations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from openai_connector import cli, settings
from openai_connector.openai_api import ApiClient
from openai_connector.tools.check import live
from openai_connector.tools.check.findings import Verdict
from tests.stand_in import Answer, Request, StandIn, failure


class Conversations:
    """As much of responses and conversations as the questions need, with a lock while one runs."""

    def __init__(self) -> None:
        self.is_running = False
        self.bought = 0

    def __call__(self, request: Request) -> Answer:
        asked = request.json or {}
        if asked.get("model") == "no-such-model":
            return failure(404, "SECRET TEXT", code="model_not_found")
        if request.path.endswith("/cancel"):
            self.is_running = False
            return Answer(body={"id": "resp_1", "status": "cancelled", "usage": None})
        if request.path.endswith("/responses"):
            if self.is_running:
                return failure(400, "SECRET TEXT", code="conversation_locked", param="conversation")
            self.is_running = asked["background"]
            self.bought += 1
            return Answer(body={"id": "resp_1", "status": "queued" if self.is_running else "incomplete"})
        if "/responses/" in request.path or "/decisions" in request.path:
            return failure(404, "SECRET TEXT")
        if asked.get("messages"):
            self.bought += 1
        return Answer(body={"id": "one", "data": [{"id": "one", "role": "user"}]})


async def test_each_question_is_asked_and_answered_by_facts() -> None:
    """Every question has facts for answers, no text of the API is repeated, and little is bought."""
    world = Conversations()
    async with StandIn() as api:
        api.always(world)
        client = ApiClient()
        found = await live.ask_everything(live.Caller(client, api.base_url, "sk-test", pause=0.01))
        await client.aclose()
    names = {one.check for one in found}
    facts = {name: " / ".join(one.message for one in found if one.check == name) for name in names}
    assert facts.keys() == {question.name for question in live.QUESTIONS}
    assert "model_not_found" in facts["live-unknown"]
    assert "second while it runs: 400, code conversation_locked" in facts["live-lock"]
    assert "state cancelled" in facts["live-lock"]
    assert "listed: after" in facts["live-stored"]
    assert "SECRET TEXT" not in str(facts)
    assert world.bought == 4


async def test_a_question_that_fails_leaves_the_others() -> None:
    """A connection that breaks is a warning, and the next question is asked."""
    async with StandIn() as api:
        api.always(lambda request: Answer(drop="before") if "/responses" in request.path else Answer(404))
        client = ApiClient()
        found = await live.ask_everything(
            live.Caller(client, api.base_url, "sk-test", pause=0.01, patience=0.1)
        )
        await client.aclose()
    verdicts = {one.check: one.verdict for one in found}
    assert verdicts.keys() == {question.name for question in live.QUESTIONS}
    assert verdicts["live-unknown"] is Verdict.WARNING
    assert verdicts["live-stored"] is Verdict.OK


@pytest.mark.parametrize(
    ("typed", "is_asked"),
    [
        pytest.param("yes", True, id="yes"),
        pytest.param("", False, id="nothing"),
        pytest.param("y", False, id="half a yes"),
        pytest.param(None, False, id="nobody there"),
    ],
)
def test_nothing_is_bought_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str | None, is_asked: bool
) -> None:
    """The price is said first, on standard error; only a whole yes goes on."""
    asked: list[bool] = []
    monkeypatch.setattr("builtins.input", reader(typed))
    monkeypatch.setattr(settings, "load", lambda: (_ for _ in ()).throw(settings.SettingsError("No.")))
    status = cli.main(["check", "--live"])
    asked.append("No." in capsys.readouterr().out)
    assert asked == [is_asked]
    assert status == 2


def reader(typed: str | None) -> Callable[[], str]:
    def read() -> str:
        if typed is None:
            raise EOFError
        return typed

    return read
