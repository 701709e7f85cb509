"""When the answer is needed: which API that goes by, and what contradicts it."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector.tasks.task_type import AnswerNeeded
from tests.make import sentences_in
from tests.unit.operations.reading import CHAT, MODERATION, chat, moderation, violations

KEPT = [AnswerNeeded.NOW_KEPT, AnswerNeeded.WITHIN_2H, AnswerNeeded.WITHIN_8H]


@pytest.mark.parametrize("nothing", [None, "", " ", "now", " NOW "], ids=repr)
def test_now_is_the_default(nothing: object) -> None:
    """Without a choice the answer is needed now, by the API chosen."""
    task = chat(answerNeeded=nothing)
    assert (task.needed, task.asked_path) == (AnswerNeeded.NOW, "/chat/completions")
    assert moderation(answerNeeded=nothing).needed is AnswerNeeded.NOW


@pytest.mark.parametrize("needed", KEPT)
@pytest.mark.parametrize("api", [None, "responses", "chatCompletions"])
def test_an_answer_that_is_kept_goes_by_responses(needed: AnswerNeeded, api: str | None) -> None:
    """Only that API keeps answers, whatever else is chosen; the body says nothing of it yet."""
    task = chat(answerNeeded=needed.value, api=api)
    assert (task.needed, task.asked_path) == (needed, "/responses")
    assert task.request_body().keys() == {"model", "input"}


@pytest.mark.parametrize(
    ("api", "path"), [(None, "/chat/completions"), ("responses", "/responses")], ids=["chat", "responses"]
)
def test_within_a_day_goes_by_the_api_chosen(api: str | None, path: str) -> None:
    """A batch takes requests of either API."""
    task = chat(answerNeeded="day", api=api)
    assert (task.needed, task.asked_path) == (AnswerNeeded.WITHIN_A_DAY, path)


@pytest.mark.parametrize("spelled", ["nowkept", "NOWKEPT", " 2H ", "Day"])
def test_letters_case_does_not_matter(spelled: str) -> None:
    """A choice is read as those of every dropdown."""
    assert chat(answerNeeded=spelled).needed.value.lower() == spelled.strip().lower()


@pytest.mark.parametrize("wrong", ["later", "3h", 2, True, ["2h"]], ids=repr)
def test_another_value_is_refused(wrong: object) -> None:
    """Anything else is a violation that names the choices."""
    [message] = violations(CHAT | {"answerNeeded": wrong})
    assert message.startswith("Answer needed ")
    assert "INPUT_ONE_OF" in sentences_in(message)


@pytest.mark.parametrize("needed", [*(kept.value for kept in KEPT), "8H"])
def test_moderation_is_now_or_within_a_day(needed: str) -> None:
    """Moderation has no answer that OpenAI keeps."""
    assert moderation(answerNeeded="day").needed is AnswerNeeded.WITHIN_A_DAY
    [message] = violations(MODERATION | {"answerNeeded": needed})
    assert message.startswith("Answer needed ")


@pytest.mark.parametrize("needed", KEPT)
@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"store": False}, "KEPT_STORE"),
        ({"metadata": {str(number): "x" for number in range(13)}}, "KEPT_METADATA"),
    ],
    ids=["store", "metadata"],
)
def test_what_contradicts_a_kept_answer_is_refused(
    needed: AnswerNeeded, extra: dict[str, Any], sentence: str
) -> None:
    """An answer that is not to be stored cannot be kept, and the worker needs pairs of its own."""
    [message] = violations(CHAT | {"answerNeeded": needed.value, "extraBody": extra})
    assert sentence in sentences_in(message)


@pytest.mark.parametrize("needed", KEPT)
def test_what_fits_a_kept_answer_passes(needed: AnswerNeeded) -> None:
    """The task's own metadata stay, and what says the same as the worker does."""
    extra = {"store": True, "metadata": {str(number): "x" for number in range(12)}, "service_tier": "default"}
    body = chat(answerNeeded=needed.value, extraBody=extra).request_body()
    assert body | extra == body


@pytest.mark.parametrize("tier", ["flex", "priority", "fast"])
def test_a_window_has_the_standard_tier_only(tier: str) -> None:
    """A tier with another price contradicts a cheaper window, and no other choice."""
    for needed in ("2h", "8h"):
        [message] = violations(CHAT | {"answerNeeded": needed, "extraBody": {"service_tier": tier}})
        assert "WINDOW_TIER" in sentences_in(message)
    for needed in ("now", "nowKept"):
        body = chat(answerNeeded=needed, api="responses", extraBody={"service_tier": tier}).request_body()
        assert body["service_tier"] == tier
