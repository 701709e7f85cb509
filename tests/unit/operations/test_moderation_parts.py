"""Images in the moderation input: content parts that are judged together."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector import wording
from openai_connector.job import Failed
from openai_connector.wording import Sentence
from tests.make import FakeApi, connector, job, refused, sentences_in
from tests.unit.operations.reading import MODERATION, moderation, violations

TEXT = {"type": "text", "text": "a caption"}
DATA_URL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
IMAGE = {"type": "image_url", "image_url": {"url": DATA_URL}}
HARMLESS = {"flagged": False}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param([TEXT, IMAGE], [TEXT, IMAGE], id="text-and-image"),
        pytest.param([IMAGE], [IMAGE], id="image-alone"),
        pytest.param([TEXT], [TEXT], id="text-alone"),
        pytest.param(["a caption", IMAGE], [TEXT, IMAGE], id="a-text-among-parts"),
        pytest.param([IMAGE, 5], [IMAGE, {"type": "text", "text": "5"}], id="a-number-among-parts"),
        pytest.param([{"type": "text", "text": 7}], [{"type": "text", "text": "7"}], id="a-number-as-text"),
        pytest.param([{**IMAGE, "detail": "low"}], [{**IMAGE, "detail": "low"}], id="other-keys-pass"),
    ],
)
def test_parts_are_sent(given: object, sent: object) -> None:
    """Parts pass as they are; a text among them becomes a part, since the API takes no mixture."""
    assert moderation(moderationInput=given).request_body() == {"input": sent}


@pytest.mark.parametrize(
    ("part", "sentence", "says"),
    [
        pytest.param({"type": "input_audio"}, wording.PART_TYPE, "'input_audio'", id="audio"),
        pytest.param({"text": "PRIVATE"}, wording.PART_TYPE, "null", id="no-type"),
        pytest.param({"type": 5}, wording.PART_TYPE, "a number", id="type-is-a-number"),
        pytest.param({"type": "text"}, wording.PART_TEXT, "item 2", id="no-text"),
        pytest.param({"type": "text", "text": ""}, wording.PART_TEXT, "item 2", id="empty-text"),
        pytest.param({"type": "text", "text": ["PRIVATE"]}, wording.PART_TEXT, "item 2", id="text-is-a-list"),
        pytest.param({"type": "image_url"}, wording.PART_IMAGE, "item 2", id="no-image"),
        pytest.param(
            {"type": "image_url", "image_url": DATA_URL}, wording.PART_IMAGE, "item 2", id="bare-url"
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": " "}}, wording.PART_IMAGE, "item 2", id="blank-url"
        ),
        pytest.param(None, wording.TEXTS_ITEM, "item 2 is null", id="null"),
        pytest.param("", wording.TEXTS_ITEM, "item 2 is empty", id="empty"),
    ],
)
def test_a_wrong_part_is_named(part: object, sentence: Sentence, says: str) -> None:
    """The sentence says which part, and what is wrong with it, without repeating any of it."""
    (message,) = violations(MODERATION | {"moderationInput": [IMAGE, part]})
    assert sentence.id in sentences_in(message)
    assert says in message
    assert "PRIVATE" not in message
    assert "base64" not in message


@pytest.mark.parametrize("given", [[TEXT, IMAGE], [IMAGE, IMAGE, TEXT]], ids=["two", "three"])
def test_all_parts_together_have_one_result(given: list[Any]) -> None:
    """One result answers for all parts; more of them count too."""
    task = moderation(moderationInput=given)
    assert task.missing_in({"results": [HARMLESS]}) is None
    assert task.missing_in({"results": [HARMLESS] * len(given)}) is None
    assert task.missing_in({"results": []}) is not None


def test_texts_and_images_are_private() -> None:
    """Texts and images are known as private, the names of types are not."""
    assert set(moderation(moderationInput=[TEXT, IMAGE]).private_texts()) == {"a caption", DATA_URL}
    assert DATA_URL not in repr(moderation(moderationInput=[TEXT, IMAGE]))


async def test_an_image_is_not_repeated_in_a_message() -> None:
    """What an API quotes of an image stands in no incident."""
    api = FakeApi([refused(400, words=f"cannot read {DATA_URL}")])
    outcome = await connector(api).work(job(operation="moderation", moderationInput=["x", IMAGE]))
    assert isinstance(outcome, Failed)
    assert "cannot read" in outcome.message
    assert DATA_URL[25:] not in outcome.message
