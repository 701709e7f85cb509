"""Moderation: is a text harmful, and in which way (`POST /moderations`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from openai_connector import contract, wording
from openai_connector.tasks.operations.fields import (
    Given,
    Shown,
    declared,
    is_given,
    kind_of,
    line,
    scalar_text,
    violation,
)
from openai_connector.tasks.operations.operation import Operation


def _read_input(value: Any) -> str | list[str] | None:
    if not is_given(value):
        return None
    text = scalar_text(value)
    if text is not None:
        return text
    if not isinstance(value, list):
        raise violation(wording.TEXTS_KIND(kind=kind_of(value)), private=True)
    texts: list[str] = []
    for position, item in enumerate(value, 1):
        item_text = scalar_text(item)
        if not item_text:
            got = "empty" if item_text == "" else kind_of(item)
            raise violation(wording.TEXTS_ITEM(position=position, kind=got), private=True)
        texts.append(item_text)
    if not texts:
        raise violation(wording.TEXTS_EMPTY(), private=True)
    return texts


class Moderation(Operation):
    """The inputs of a moderation task."""

    name: ClassVar[str] = "moderation"
    label: ClassVar[str] = "Moderation"
    about: ClassVar[str] = "is a text harmful?"
    path: ClassVar[str] = "/moderations"

    input: Annotated[
        str | list[str] | None,
        BeforeValidator(_read_input),
        Shown(
            "moderation",
            kind="Text",
            required=True,
            description="Text to check, for example <code>=message.text</code>; or a list of texts",
        ),
    ] = declared(contract.MODERATION_INPUT, repr=False)
    model: Annotated[
        str | None,
        line,
        Shown(
            "moderation",
            description="Empty: the API's own choice",
            placeholder="omni-moderation-latest",
        ),
    ] = declared(contract.MODERATION_MODEL)

    @classmethod
    def contradictions(cls, given: Given) -> Iterator[str]:
        """Yield that the text is missing."""
        if "input" not in given:
            yield wording.INPUT_REQUIRED(label=contract.MODERATION_INPUT.label, but=given.but("input"))

    def request_body(self) -> dict[str, Any]:
        """Return the request's body."""
        body: dict[str, Any] = {"input": self.input}
        return body if self.model is None else {"model": self.model} | body

    def private_texts(self) -> list[str]:
        """Return the texts that are evaluated."""
        return [self.input] if isinstance(self.input, str) else list(self.input or ())

    def missing_in(self, body: Any) -> str | None:
        """Return what an answer lacks: it must have at least one result."""
        results = body.get("results") if isinstance(body, Mapping) else None
        if not isinstance(results, list) or not results or not all(isinstance(r, Mapping) for r in results):
            return "results"
        return None

    @classmethod
    def outputs(cls) -> tuple[str, ...]:
        """Return the names of the keys of `output`."""
        return ("flagged", "flaggedCategories", "categoryScores")

    def output(self, request_body: dict[str, Any], body: Any) -> dict[str, Any]:
        """Return flagged (any), flaggedCategories (highest score first), categoryScores (maximum of each)."""
        scores: dict[str, float] = {}
        flagged: set[str] = set()
        for result in body["results"]:
            for category, score in _entries(result.get("category_scores")):
                if isinstance(score, (int, float)) and not isinstance(score, bool):
                    scores[category] = max(score, scores.get(category, score))
            flagged.update(
                category for category, is_flagged in _entries(result.get("categories")) if is_flagged is True
            )
        return {
            "flagged": any(result.get("flagged") is True for result in body["results"]),
            "flaggedCategories": sorted(flagged, key=lambda category: (-scores.get(category, 0.0), category)),
            "categoryScores": scores,
        }


def _entries(value: Any) -> list[tuple[str, Any]]:
    """Return a context's entries; compatible servers leave it out or null."""
    return list(value.items()) if isinstance(value, Mapping) else []
