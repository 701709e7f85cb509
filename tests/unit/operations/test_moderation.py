"""Moderation inputs and what becomes of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector.wording import BUT_NULL
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
    ("given", "message"),
    [
        (None, f"Evaluation input is required{BUT_NULL()}"),
        ("", "Evaluation input is required, but is empty"),
        ([], "Evaluation input must be a text or a list of texts, not an empty list"),
        ({"a": "PRIVATE"}, "Evaluation input must be a text or a list of texts, not a context"),
        (["a", None], "Evaluation input must be a list of texts, but item 2 is null"),
        (["a", ""], "Evaluation input must be a list of texts, but item 2 is empty"),
        ([["PRIVATE"]], "Evaluation input must be a list of texts, but item 1 is a list"),
    ],
)
def test_a_bad_evaluation_input_is_refused(given: object, message: str) -> None:
    """The violation says which item is wrong, without repeating any text."""
    assert violations(MODERATION | {"moderationInput": given}) == [message]


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


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"flagged": None, "categories": None, "category_scores": None},
        {"flagged": "yes", "categories": ["hate"], "category_scores": "high"},
        {"categories": {"illicit": None}, "category_scores": {"illicit": None, "x": True}},
    ],
)
def test_incomplete_results_of_compatible_servers_are_no_crash(result: dict[str, Any]) -> None:
    """Null or missing categories and scores count as not flagged."""
    assert output({"results": [result]}) == {"flagged": False, "flaggedCategories": [], "categoryScores": {}}


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
