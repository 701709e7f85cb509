"""Moderation: is a text or an image harmful, and in which way (`POST /moderations`).

A task that is asked "is this harmful?" must not hear "no" from an answer that does not say so: what cannot be
told from a result is no answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from openai_connector import contract, wording
from openai_connector.openai_api import is_error, plain
from openai_connector.tasks.operations.fields import (
    SHOWN_CHARACTERS,
    ContentParts,
    Given,
    Shown,
    choice,
    declared,
    is_given,
    kind_of,
    line,
    scalar_text,
    violation,
)
from openai_connector.tasks.operations.operation import Operation
from openai_connector.tasks.task_type import AnswerNeeded

NEEDED = {AnswerNeeded.NOW.value: "Now", AnswerNeeded.WITHIN_A_DAY.value: "Within a day"}
YES = frozenset({"true", "yes", "y", "t", "on", "1"})
NO = frozenset({"false", "no", "n", "f", "off", "0"})
"""What servers write for a boolean, in small letters."""
_ALSO_YES = frozenset(
    {"flagged", "isflagged", "harmful", "isharmful", "unsafe", "blocked", "violation", "action"}
)
_DONE_TO_HARMFUL = frozenset(
    {"block", "blocked", "reject", "rejected", "deny", "denied", "flag", "flagged", "unsafe"}
)
"""Other names and words that servers say yes by; none of them is ever read as a no."""
_FAILED = frozenset({"error", "failed", "failure", "incomplete", "timeout"})
_TYPES = {"text": "text", "image_url": "image"}
"""Of parts, and as `category_applied_input_types` names them."""


def _read_input(value: Any) -> str | list[str] | ContentParts | None:
    if not is_given(value):
        return None
    text = scalar_text(value)
    if text is not None:
        return text
    if not isinstance(value, list):
        raise violation(wording.TEXTS_KIND(kind=kind_of(value)), private=True)
    if not value:
        raise violation(wording.TEXTS_EMPTY(), private=True)
    if any(isinstance(item, Mapping) for item in value):
        return [_read_part(position, item) for position, item in enumerate(value, 1)]
    return [_read_text(position, item) for position, item in enumerate(value, 1)]


def _read_text(position: int, item: Any) -> str:
    text = scalar_text(item)
    if not text:
        got = kind_of(item) if text is None else "empty"
        raise violation(wording.TEXTS_ITEM(position=position, kind=got), private=True)
    return text


def _read_part(position: int, item: Any) -> dict[str, Any]:
    """Read one part of several that are judged together; a text among them becomes a part of its own."""
    if not isinstance(item, Mapping):
        return {"type": "text", "text": _read_text(position, item)}
    match item.get("type"):
        case "text":
            text = scalar_text(item.get("text"))
            if not text:
                raise violation(wording.PART_TEXT(position=position), private=True)
            return {**item, "text": text}
        case "image_url":
            image = item.get("image_url")
            url = image.get("url") if isinstance(image, Mapping) else None
            if not isinstance(url, str) or not url.strip():
                raise violation(wording.PART_IMAGE(position=position), private=True)
            return dict(item)
        case other:
            shown = f"'{other[:SHOWN_CHARACTERS]}'" if isinstance(other, str) else kind_of(other)
            raise violation(wording.PART_TYPE(position=position, shown=shown), private=True)


class Moderation(Operation):
    """The inputs of a moderation task."""

    name: ClassVar[str] = "moderation"
    label: ClassVar[str] = "Moderation"
    about: ClassVar[str] = "is a text or an image harmful?"
    path: ClassVar[str] = "/moderations"

    input: Annotated[
        str | list[str] | ContentParts | None,
        BeforeValidator(_read_input),
        Shown(
            "moderation",
            kind="Text",
            required=True,
            description="Text to check, for example <code>=message.text</code>; a list of texts; "
            "or a list of content parts, texts and images, that are judged together",
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

    answer_needed: Annotated[
        str | None,
        choice(NEEDED),
        Shown(
            "moderation",
            kind="Dropdown",
            choices=NEEDED,
            default=AnswerNeeded.NOW.value,
            feel=None,
            description="Moderation is free of charge either way. Within a day, the task waits in the "
            "engine, without a worker",
        ),
    ] = declared(contract.ANSWER_NEEDED)

    @classmethod
    def contradictions(cls, given: Given) -> Iterator[str]:
        """Yield that the text is missing."""
        if "input" not in given:
            yield wording.INPUT_REQUIRED(label=contract.MODERATION_INPUT.label, but=given.but("input"))

    @property
    def needed(self) -> AnswerNeeded:
        """Return when the answer is needed."""
        return AnswerNeeded(self.answer_needed or AnswerNeeded.NOW)

    def request_body(self) -> dict[str, Any]:
        """Return the request's body."""
        body: dict[str, Any] = {"input": self.input}
        return body if self.model is None else {"model": self.model} | body

    def private_texts(self) -> list[str]:
        """Return the texts that are evaluated, and the addresses (or the content) of the images."""
        items = [self.input] if isinstance(self.input, str) else list(self.input or ())
        return [text for item in items for text in _texts_of(item)]

    def missing_in(self, body: Any) -> str | None:
        """Return what an answer lacks: a result that says yes or no for everything that was asked."""
        results = body.get("results") if isinstance(body, Mapping) else None
        if not isinstance(results, list) or not results or not all(isinstance(r, Mapping) for r in results):
            return "results"
        asked = self._results_expected()
        indices = [r["index"] for r in results if isinstance(r.get("index"), int)]
        told = len(results) - len(indices) + len(set(indices))
        if told < asked:
            return wording.LACKS_RESULTS(asked=asked, got=told)
        if _says_yes_outside(body):
            return None
        for position, result in enumerate(results, 1):
            if _verdict(result) is None or (_verdict(result) is False and self._left_out(result)):
                return wording.LACKS_VERDICT(position=position)
        return None

    def _left_out(self, result: Mapping[str, Any]) -> bool:
        """Check whether a result tells that no category was applied to one of the types that were given."""
        applied = result.get("category_applied_input_types")
        if not isinstance(applied, Mapping) or not isinstance(self.input, list):
            return False
        looked_at = {kind for kinds in applied.values() if isinstance(kinds, list) for kind in kinds if kind}
        given = {_TYPES.get(str(item.get("type"))) for item in self.input if isinstance(item, Mapping)}
        return bool(looked_at) and not given <= looked_at

    def _results_expected(self) -> int:
        """Return how many results there must be: one for each text of a list, one for all parts together."""
        is_list_of_texts = isinstance(self.input, list) and isinstance(self.input[0], str)
        return len(self.input or ()) if is_list_of_texts else 1

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
                if _is_score(score):
                    scores[category] = max(score, scores.get(category, score))
            flagged.update(name for name, value in _entries(result.get("categories")) if _said(value))
        return {
            "flagged": _says_yes_outside(body) or any(_verdict(r) is not False for r in body["results"]),
            "flaggedCategories": sorted(flagged, key=lambda category: (-scores.get(category, 0.0), category)),
            "categoryScores": scores,
        }


def _says_yes_outside(body: Mapping[str, Any]) -> bool:
    """Check whether a server says beside the results that something is harmful."""
    return any(plain(name) in _ALSO_YES and _says_yes(value) for name, value in body.items())


def _said(value: Any) -> bool | None:
    """Return the boolean that a server wrote, in whatever form; None where it cannot be told."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return bool(value) if value in (0, 1) else None
    word = value.strip().lower() if isinstance(value, str) else None
    if word in YES or word in NO:
        return word in YES
    return None


def _verdict(result: Mapping[str, Any]) -> bool | None:
    """Return whether a result says that its input is harmful; None where it cannot be told.

    Any yes, the result's own or one of a category, is a yes. A no needs that all that is said is a no: some
    servers give categories only. A category that does not apply is null.
    """
    flagged, categories = result.get("flagged"), result.get("categories")
    given = [] if flagged is None else [flagged]
    if isinstance(categories, Mapping):
        given += [value for value in categories.values() if value is not None]
    elif categories:
        given.append(categories)
    said = [_said(value) for value in given]
    said += [True for name, value in result.items() if plain(name) in _ALSO_YES and _says_yes(value)]
    if True in said:
        return True
    has_failed = is_error(result.get("error")) or str(result.get("status")).lower() in _FAILED
    return False if said and None not in said and not has_failed else None


def _says_yes(value: Any) -> bool:
    return _said(value) is True or str(value).strip().lower() in _DONE_TO_HARMFUL


def _is_score(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _texts_of(item: Any) -> Iterator[str]:
    """Yield the texts of what is evaluated, without the names of its types."""
    pending = [item]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            pending.extend(part for key, part in value.items() if key != "type")
        elif isinstance(value, list):
            pending.extend(value)


def _entries(value: Any) -> list[tuple[str, Any]]:
    """Return a context's entries; compatible servers leave it out or null."""
    return list(value.items()) if isinstance(value, Mapping) else []
