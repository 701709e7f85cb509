"""Moderation fails closed: what cannot be told from an answer is no answer, and never "harmless"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector import wording
from openai_connector.job import BpmnError, Failed
from openai_connector.openai_api import ApiResponse
from openai_connector.wording import Sentence
from tests.make import FakeApi, connector, job, sentences_in
from tests.unit.operations.reading import moderation

MISTRAL = {
    "categories": {"violence_and_threats": True, "pii": False},
    "category_scores": {"violence_and_threats": 0.98, "pii": 0.01},
}
HARMLESS = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.01}}
HARMFUL = {"flagged": True, "categories": {"hate": True}, "category_scores": {"hate": 0.9}}


def output(*results: object, asked: object = "text") -> dict[str, Any]:
    """Return the output of an answer that lacks nothing."""
    task = moderation(moderationInput=asked)
    body = {"results": list(results)}
    assert task.missing_in(body) is None
    return task.output(task.request_body(), body)


def lacks(*results: object, asked: object = "text") -> str:
    """Return what an answer lacks."""
    missing = moderation(moderationInput=asked).missing_in({"results": list(results)})
    assert missing is not None
    return missing


@pytest.mark.parametrize(
    "yes", [True, 1, 1.0, "true", "True", "TRUE", "yes", "Yes", " true ", "1", "on"], ids=repr
)
class TestAYesInAnyForm:
    """What means yes is a yes, wherever it stands."""

    def test_of_the_result(self, yes: object) -> None:
        """The result's own word counts, whatever the categories say."""
        assert output({"flagged": yes, "categories": {"hate": False}})["flagged"] is True
        assert output({"flagged": yes})["flagged"] is True

    def test_of_a_category(self, yes: object) -> None:
        """A category counts, whatever the result's own word is, and is named."""
        for flagged in ({}, {"flagged": False}, {"flagged": None}, {"flagged": "maybe"}):
            got = output({**flagged, "categories": {"spam": False, "hate": yes, "illicit": None}})
            assert (got["flagged"], got["flaggedCategories"]) == (True, ["hate"])

    def test_of_any_of_several_results(self, yes: object) -> None:
        """One harmful text is enough."""
        assert output(HARMLESS, {"flagged": yes}, asked=["a", "b"])["flagged"] is True


@pytest.mark.parametrize("no", [False, 0, 0.0, "false", "False", "NO", "off", "0"], ids=repr)
@pytest.mark.parametrize(
    "result",
    [
        pytest.param(lambda no: {"flagged": no}, id="alone"),
        pytest.param(lambda no: {"flagged": no, "categories": {}}, id="no-categories"),
        pytest.param(
            lambda no: {"flagged": no, "categories": None, "category_scores": None}, id="null-categories"
        ),
        pytest.param(
            lambda no: {"flagged": no, "categories": {"illicit": None, "hate": no}}, id="null-category"
        ),
        pytest.param(lambda no: {"categories": {"hate": no, "spam": False}}, id="categories-only"),
    ],
)
def test_a_no_that_can_be_read_is_a_no(result: Any, no: object) -> None:
    """A harmless text stays harmless, in whatever form a server says so."""
    assert output(result(no)) == {"flagged": False, "flaggedCategories": [], "categoryScores": {}}


def test_a_server_that_gives_categories_only() -> None:
    """Mistral's answer has no flag of its own."""
    assert output(MISTRAL) == {
        "flagged": True,
        "flaggedCategories": ["violence_and_threats"],
        "categoryScores": {"violence_and_threats": 0.98, "pii": 0.01},
    }


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"flagged": None, "categories": None, "category_scores": None},
        {"flagged": None, "categories": {}},
        {"categories": {"illicit": None}, "category_scores": {"illicit": 0.99}},
        {"flagged": "maybe"},
        {"flagged": ""},
        {"flagged": 2},
        {"flagged": 0.98},
        {"flagged": []},
        {"flagged": {"value": False}},
        {"flagged": "maybe", "categories": {"hate": False}},
        {"flagged": None, "categories": {"hate": "high", "spam": False}},
        {"flagged": False, "categories": {"hate": {"filtered": True}}},
        {"flagged": False, "categories": ["hate"]},
        {"categories": "none"},
        {"category_scores": {"hate": 0.99}},
    ],
    ids=repr,
)
class TestWhatCannotBeTold:
    """A result without a word that can be read is no answer."""

    def test_alone(self, result: dict[str, Any]) -> None:
        """The message says that it has no verdict."""
        assert wording.LACKS_VERDICT.id in sentences_in(lacks(result))

    def test_beside_others(self, result: dict[str, Any]) -> None:
        """The message says which result it is; no other result makes up for it."""
        for other in (HARMLESS, HARMFUL):
            assert "result 2" in lacks(other, result, asked=["a", "b"])


@pytest.mark.parametrize(
    ("asked", "results", "sentence"),
    [
        pytest.param(["a", "b"], [HARMLESS], wording.LACKS_RESULTS, id="one-of-two"),
        pytest.param(["a", "b"], [HARMFUL], wording.LACKS_RESULTS, id="one-of-two-harmful"),
        pytest.param(["a", "b", "c"], [HARMLESS, HARMLESS], wording.LACKS_RESULTS, id="two-of-three"),
    ],
)
def test_fewer_results_than_texts_are_no_answer(
    asked: list[str], results: list[Any], sentence: Sentence
) -> None:
    """A text that was not looked at is not harmless."""
    assert sentence.id in sentences_in(lacks(*results, asked=asked))


def test_more_results_than_texts_all_count() -> None:
    """A server may cut a long text into pieces: a harmful one is enough, and one that cannot be read is too much."""
    assert output(HARMLESS, HARMFUL)["flagged"] is True
    assert output(HARMLESS, HARMLESS)["flagged"] is False
    assert "result 2" in lacks(HARMLESS, {})


@pytest.mark.parametrize("score", ["high", "0.9", None, True, [], {}, float("nan"), float("inf")], ids=repr)
def test_a_score_that_is_no_number_is_left_out(score: object) -> None:
    """Categories are named all the same, those without a score last."""
    result = {"categories": {"a": True, "b": True}, "category_scores": {"a": score, "b": 0.1}}
    assert output(result) == {
        "flagged": True,
        "flaggedCategories": ["b", "a"],
        "categoryScores": {"b": 0.1},
    }


words: st.SearchStrategy[Any] = st.sampled_from(
    [True, False, None, 0, 1, 2, 0.5, "", "true", "FALSE", "yes", "no", "maybe", " True", [], {}, ["hate"]]
)
categories = st.dictionaries(st.sampled_from(["hate", "spam", "illicit"]), words, max_size=3)
results = st.fixed_dictionaries(
    {},
    optional={
        "flagged": words,
        "categories": categories | words,
        "category_scores": st.dictionaries(st.sampled_from(["hate", "spam"]), words | st.floats(), max_size=2)
        | words,
    },
)


def says_no(value: object) -> bool:
    """Check that a value is one of those that can only mean no."""
    return (
        value is False
        or (isinstance(value, int) and value == 0)
        or (isinstance(value, str) and value.lower() in {"false", "no"})
    )


@settings(max_examples=500)
@given(st.lists(results, max_size=3), st.integers(1, 3))
def test_harmless_is_said_only_where_every_text_was_called_harmless(
    answers: list[dict[str, Any]], asked: int
) -> None:
    """Whatever the answer is made of: no doubt, no gap and no yes passes as harmless."""
    task = moderation(moderationInput=[f"text {n}" for n in range(asked)])
    if task.missing_in({"results": answers}) is not None:
        return
    got = task.output(task.request_body(), {"results": answers})
    assert len(answers) >= asked
    for result in [] if got["flagged"] else answers:
        flagged, found = result.get("flagged"), result.get("categories")
        said = [flagged, *(found.values() if isinstance(found, dict) else [found or None])]
        assert any(map(says_no, said))
        assert all(value is None or says_no(value) for value in said)


THROW = {"errorExpression": '=if output.flagged then bpmnError("FLAGGED") else null'}


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        pytest.param({"results": [{"flagged": False}]}, ["a", "b"], id="fewer-results"),
        pytest.param({"results": [{"flagged": "perhaps"}]}, "a", id="no-verdict"),
        pytest.param({"result": {"flagged": False}}, "a", id="no-results"),
    ],
)
async def test_no_answer_is_an_incident(body: object, asked: object) -> None:
    """The process does not go on, and the failure names what is missing."""
    task = job(THROW, operation="moderation", moderationInput=asked)
    outcome = await connector(FakeApi([ApiResponse(200, {}, body)])).work(task)
    assert isinstance(outcome, Failed)
    assert outcome.retries == 0
    assert outcome.variables["error"]["code"] == "INVALID_RESPONSE"
    assert wording.API_LACKS.id in sentences_in(outcome.message)


@pytest.mark.parametrize(
    "result", [MISTRAL, {"flagged": 1, "categories": {"violence": 1}}, {"flagged": "true"}], ids=repr
)
async def test_harmful_is_thrown(result: object) -> None:
    """The expression of the docs catches every form of yes."""
    task = job(THROW, operation="moderation", moderationInput="a")
    outcome = await connector(FakeApi([ApiResponse(200, {}, {"results": [result]})])).work(task)
    assert isinstance(outcome, BpmnError)
    assert outcome.code == "FLAGGED"


IMAGE = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
TEXT_ONLY = {**HARMLESS, "category_applied_input_types": {"hate": ["text"]}}
BOTH = {**HARMLESS, "category_applied_input_types": {"hate": ["text"], "violence": ["text", "image"]}}


class TestWhatWasNotLookedAt:
    """A no counts only for what was judged."""

    @pytest.mark.parametrize(
        "trouble",
        [
            {"error": {"code": "timeout", "message": "classifier unavailable"}},
            {"error": "timeout"},
            {"status": "error"},
            {"status": "Failed"},
        ],
        ids=repr,
    )
    def test_an_error_in_a_result_is_no_no(self, trouble: dict[str, Any]) -> None:
        """A result that failed has judged nothing; a yes in it counts all the same."""
        assert wording.LACKS_VERDICT.id in sentences_in(lacks(HARMLESS | trouble))
        assert output(HARMFUL | trouble)["flagged"] is True

    def test_an_image_that_no_category_was_applied_to(self) -> None:
        """The API tells which types each category looked at: an image that none did was not judged."""
        asked = [{"type": "text", "text": "a"}, IMAGE]
        assert wording.LACKS_VERDICT.id in sentences_in(lacks(TEXT_ONLY, asked=asked))
        assert output(BOTH, asked=asked)["flagged"] is False
        assert output(TEXT_ONLY, asked="a")["flagged"] is False

    def test_two_results_of_the_same_text(self) -> None:
        """Results that say which text they are for count once for each."""
        twice = HARMLESS | {"index": 1}
        assert wording.LACKS_RESULTS.id in sentences_in(lacks(twice, twice, asked=["a", "b"]))
        assert output(HARMLESS | {"index": 0}, twice, asked=["a", "b"])["flagged"] is False


@pytest.mark.parametrize(
    "yes",
    [{"is_flagged": True}, {"isFlagged": 1}, {"action": "block"}, {"unsafe": "yes"}, {"blocked": True}],
    ids=repr,
)
def test_a_yes_under_another_name(yes: dict[str, Any]) -> None:
    """A yes beside a no is a yes, in the result or beside the results."""
    assert output(HARMLESS | yes)["flagged"] is True
    task = moderation()
    body = {"results": [HARMLESS], **yes}
    assert task.missing_in(body) is None
    assert task.output(task.request_body(), body)["flagged"] is True
