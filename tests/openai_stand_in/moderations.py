"""POST /v1/moderations."""

from __future__ import annotations

from typing import Any, Final

from tests.openai_stand_in import rules
from tests.openai_stand_in.answers import Asked, Fate, tokens_of
from tests.openai_stand_in.errors import InvalidRequestError
from tests.openai_stand_in.ledger import Buyer, Purchase
from tests.openai_stand_in.prices import Tier
from tests.openai_stand_in.world import World

URL: Final = "/v1/moderations"
MODEL: Final = "omni-moderation-latest"
OF_IMAGES: Final = {
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "violence",
    "violence/graphic",
}
CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
FLAGGED: Final = {"kill": "violence", "hate": "hate"}
"""Words, and what they make of a text."""


class Moderations:
    """The endpoint."""

    url = URL
    kind = "moderations"
    answer_kind = "moderation"

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self, body: dict[str, Any], buyer: Buyer) -> Asked:
        """Return what is asked.

        Raises:
            ApiError: it cannot be.
        """
        model = body.get("model", MODEL)
        rules.check_model(model, "omni-moderation")
        if not body["input"]:
            raise InvalidRequestError("Invalid 'input': empty.", "input", "invalid_value")
        text = "\n".join(text for text, _ in _inputs(body["input"]))
        return Asked(URL, model, text, text)

    def answer(
        self, body: dict[str, Any], asked: Asked, fate: Fate, buyer: Buyer, tier: Tier | None = None
    ) -> tuple[dict[str, Any], Purchase]:
        """Return the answer; it is free."""
        name = self._world.new_id("modr-")
        tokens = tokens_of(asked.text), 0
        purchase = self._world.buy(asked, tokens, tier or "standard", buyer, name)
        results = [result(text, has_image=has_image) for text, has_image in _inputs(body["input"])]
        return {"id": name, "model": asked.model, "results": results}, purchase


def result(text: str, *, has_image: bool = False) -> dict[str, Any]:
    """Return what is found in a text, beside images or without."""
    found = {category for word, category in FLAGGED.items() if word in text.lower()}
    return {
        "flagged": bool(found),
        "categories": {name: name in found for name in CATEGORIES},
        "category_scores": {name: 0.9 if name in found else 0.01 for name in CATEGORIES},
        "category_applied_input_types": {
            name: ["text", "image"] if has_image and name in OF_IMAGES else ["text"] for name in CATEGORIES
        },
    }


def inside(text: str) -> dict[str, Any]:
    """Return what is found in a text of another call."""
    return {"type": "moderation_result", "model": MODEL, **result(text)}


def _inputs(given: Any) -> list[tuple[str, bool]]:
    """Return each text that has a result of its own, and whether images belong to it."""
    if isinstance(given, str):
        return [(given, False)]
    if isinstance(given[0], str):
        return [(text, False) for text in given]
    texts = [part["text"] for part in given if part["type"] == "text"]
    return [("\n".join(texts), len(texts) < len(given))]
