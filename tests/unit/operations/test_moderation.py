"""Moderation inputs and what becomes of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector import wording
from openai_connector.wording import Sentence
from tests.make import sentences_in
from tests.stand_in import moderation_body
from tests.unit.operations.reading import MODERATION, moderation, violations


@pytest.mark.parametrize(
    ("given", "sent"),
    [("Hi", "Hi"), (["a", "b"], ["a", "b"]), (5, "5"), ([True, 0.5], ["true", "0.5"]), (" x ", " x ")],
)
def test_moderation_takes_a_text_or_texts(given: object, sent: object) -> None:
    """The input is sent alone: no model unless one is given."""
    assert moderation(moderationInput=given).request_body() == {"input": sent}


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_the_moderation_model_is_sent_only_when_given(nothing: object) -> None:
    """null, "" and blank text send none; a name is sent."""
    assert "model" not in moderation(moderationModel=nothing).request_body()
    assert (
        moderation(moderationModel="omni-moderation-latest").request_body()["model"]
        == "omni-moderation-latest"
    )


@pytest.mark.parametrize(
    ("given", "sentence", "says"),
    [
        pytest.param(None, wording.INPUT_REQUIRED, "", id="null"),
        pytest.param("", wording.INPUT_REQUIRED, "", id="empty"),
        pytest.param([], wording.TEXTS_EMPTY, "", id="empty-list"),
        pytest.param({"a": "PRIVATE"}, wording.TEXTS_KIND, "not a context", id="context"),
        pytest.param(["a", None], wording.TEXTS_ITEM, "item 2 is null", id="null-item"),
        pytest.param(["a", ""], wording.TEXTS_ITEM, "item 2 is empty", id="empty-item"),
        pytest.param([["PRIVATE"]], wording.TEXTS_ITEM, "item 1 is a list", id="list-in-list"),
    ],
)
def test_a_bad_evaluation_input_is_refused(given: object, sentence: Sentence, says: str) -> None:
    """The violation says which item is wrong, without repeating any text."""
    (message,) = violations(MODERATION | {"moderationInput": given})
    assert sentence.id in sentences_in(message)
    assert says in message
    assert "PRIVATE" not in message


def output(body: dict[str, Any]) -> dict[str, Any]:
    """Give the output of an answer."""
    task = moderation()
    assert task.missing_in(body) is None
    return task.output(task.request_body(), body)


def test_flagged_categories_come_highest_score_first_then_by_name() -> None:
    """Equal scores are ordered by name."""
    got = output(moderation_body({"violence": 0.6, "hate": 0.9, "abuse": 0.6, "spam": 0.1}))
    assert got == {
        "flagged": True,
        "flaggedCategories": ["hate", "abuse", "violence"],
        "categoryScores": {"violence": 0.6, "hate": 0.9, "abuse": 0.6, "spam": 0.1},
    }


def test_a_list_gives_any_flag_and_the_maximum_of_each_score() -> None:
    """Several results are put together."""
    got = output(moderation_body({"hate": 0.1, "spam": 0.2}, {"hate": 0.7, "spam": 0.1}))
    assert got == {
        "flagged": True,
        "flaggedCategories": ["hate"],
        "categoryScores": {"hate": 0.7, "spam": 0.2},
    }


def test_nothing_flagged() -> None:
    """A harmless text gives false and no categories."""
    assert output(moderation_body({"hate": 0.1}))["flagged"] is False
    assert output(moderation_body({"hate": 0.1}))["flaggedCategories"] == []


def test_a_flagged_category_without_a_score_is_named_last() -> None:
    """A category may be flagged although the server gives no score for it."""
    body = {
        "results": [{"flagged": True, "categories": {"a": True, "b": True}, "category_scores": {"b": 0.1}}]
    }
    assert output(body)["flaggedCategories"] == ["b", "a"]


@pytest.mark.parametrize("body", [None, "x", [], {}, {"results": []}, {"results": {}}, {"results": [None]}])
def test_an_answer_without_results_is_none(body: object) -> None:
    """What lacks results is no answer."""
    assert moderation().missing_in(body) == "results"


def test_the_evaluated_texts_are_private() -> None:
    """All texts are known as private."""
    assert moderation(moderationInput=["a", "b"]).private_texts() == ["a", "b"]
