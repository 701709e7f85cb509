"""POST /v1/embeddings."""

from __future__ import annotations

import base64
import struct
from typing import Any, Final

from tests.openai_stand_in import rules
from tests.openai_stand_in.answers import Asked, Fate, tokens_of
from tests.openai_stand_in.errors import InvalidRequestError
from tests.openai_stand_in.ledger import Buyer, Purchase
from tests.openai_stand_in.prices import Tier
from tests.openai_stand_in.world import World

URL: Final = "/v1/embeddings"
SIZES: Final = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
MOST_INPUTS: Final = 2048


class Embeddings:
    """The endpoint."""

    url = URL
    kind = "embeddings"
    answer_kind = "embedding"

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self, body: dict[str, Any], buyer: Buyer) -> Asked:
        """Return what is asked.

        Raises:
            ApiError: it cannot be.
        """
        rules.check_model(body["model"], "text-embedding")
        inputs = _inputs(body["input"])
        if not 0 < len(inputs) <= MOST_INPUTS or not all(inputs):
            raise InvalidRequestError("'$.input' is invalid.", "input", "invalid_value")
        text = "\n".join(inputs)
        return Asked(URL, body["model"], text, text)

    def answer(
        self, body: dict[str, Any], asked: Asked, fate: Fate, buyer: Buyer, tier: Tier | None = None
    ) -> tuple[dict[str, Any], Purchase]:
        """Return the answer, produced and bought now."""
        tokens = tokens_of(asked.text)
        purchase = self._world.buy(
            asked, (tokens, 0), tier or "standard", buyer, self._world.new_id("embedding-")
        )
        size = body.get("dimensions") or SIZES[asked.model]
        packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": vector(text, size, packed=packed)}
            for index, text in enumerate(_inputs(body["input"]))
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": asked.model, "data": data, "usage": usage}, purchase

    def count(self, body: dict[str, Any]) -> int:
        """Return how many inputs there are."""
        return len(_inputs(body["input"]))


def vector(text: str, size: int, *, packed: bool = False) -> list[float] | str:
    """Return the one right vector of a text."""
    letters = text.encode()
    numbers = [((letters[place % len(letters)] + place) % 97 - 48) / 64 for place in range(size)]
    return base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode() if packed else numbers


def _inputs(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if given and isinstance(given[0], int):
        return [str(given)]
    return [str(one) if one else "" for one in given]
