"""What is known of OpenAI's models: those to choose from, those that are shut down, what each family refuses.

The data stand in `models.json`, with the date on which they were checked. Models of other servers are free
text: nothing here applies to them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

_DATA: dict[str, Any] = json.loads(files(__package__).joinpath("models.json").read_text("utf-8"))

DEFAULT_CHAT_MODEL: str = _DATA["default"]
CHAT_MODEL_CHOICES: dict[str, str] = {
    model["id"]: f"{model['id']} ({model['note']})" if "note" in model else model["id"]
    for model in _DATA["chat"]
}
CHECKED: date = date.fromisoformat(_DATA["checked"])
"""The day on which the list was compared with OpenAI's pages."""

# gpt-4o-2024-08-06, gpt-4-0613, gpt-4-1106-preview: dated versions of gpt-4o and gpt-4.
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})(-preview)?$", re.ASCII)
_REASONING = re.compile(r"o\d|gpt-(?!35)([5-9]|\d{2,})(?!\d)", re.ASCII)  # gpt-35-turbo: Azure's name of 3.5
_WITHOUT_REASONING = re.compile(r"gpt-[\d.]+-chat", re.ASCII)
_KNOWS_NO_EFFORT = re.compile(r"gpt-5\.[1-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The end of a model, as OpenAI has announced it."""

    model: str
    day: date
    replacement: str | None
    """The one that OpenAI names; None where none is known."""

    def sentence(self, today: date) -> str:
        """Return when it is or was, and what to use instead."""
        when = f"was shut down on {self.day}" if self.day <= today else f"will be shut down on {self.day}"
        instead = f"OpenAI names {self.replacement} as its replacement" if self.replacement else _UNNAMED
        return f"the model {self.model} {when}; {instead}"


_UNNAMED = (
    f"choose another, for example {DEFAULT_CHAT_MODEL} (see https://platform.openai.com/docs/deprecations)"
)
_SHUTDOWNS = {item["id"]: item for item in _DATA["shutdowns"]}
_KNOWN = (
    frozenset(CHAT_MODEL_CHOICES)
    | _SHUTDOWNS.keys()
    | frozenset(_DATA["also"])
    | frozenset(_DATA["moderation"])
)


def _names_of(model: str) -> list[str]:
    """Return the model's name, and that of the base it is a dated or fine-tuned version of (`ft:base:…`)."""
    name = model.strip()
    if name.startswith("ft:"):
        name = name.split(":")[1]
    return [name, _DATED.sub("", name)]


def shutdown_of(model: str) -> Shutdown | None:
    """Return a model's end; dated and fine-tuned versions follow their base model (OpenAI's list)."""
    found = next((_SHUTDOWNS[name] for name in _names_of(model) if name in _SHUTDOWNS), None)
    return Shutdown(model, date.fromisoformat(found["date"]), found.get("replacement")) if found else None


def is_known(model: str) -> bool:
    """Check whether OpenAI had such a model when the list was checked."""
    return any(name in _KNOWN for name in _names_of(model))


def is_reasoning(model: str) -> bool:
    """Check whether the model thinks before it answers.

    O1 and later, gpt-5 and later except its chat variants.
    """
    name = _names_of(model)[0]
    return bool(_REASONING.match(name)) and not _WITHOUT_REASONING.match(name)


_RESPONSES_ONLY = re.compile(r".*-(pro|codex|deep-research)(-|$)|computer-use")
_CHAT_ONLY = re.compile(r".*-(audio|search-preview)(-|$)|gpt-audio")
_VERSION = re.compile(r"gpt-(\d{1,2})(?:\.(\d{1,2}))?(?![\d.])", re.ASCII)
_NO_TOOLS_WITH_EFFORT = (
    5,
    4,
)  # from this version on, by Chat Completions; reported by many in public threads
_NO_TOOLS_WITHOUT_NONE = (5, 6)  # from this one on, a model's own effort counts as well


def is_responses_only(model: str) -> bool:
    """Check whether OpenAI serves a model by the Responses API alone."""
    return _RESPONSES_ONLY.match(_names_of(model)[-1]) is not None


def is_chat_only(model: str) -> bool:
    """Check whether OpenAI serves a model by Chat Completions alone."""
    return _CHAT_ONLY.match(_names_of(model)[-1]) is not None


def refuses_chat_tools(model: str, reasoning_effort: str | None) -> bool:
    """Check whether a model takes no tools by Chat Completions, with this reasoning effort."""
    found = _VERSION.match(_names_of(model)[0])
    if found is None or reasoning_effort == "none" or not is_reasoning(model):
        return False
    version = (int(found[1]), int(found[2] or 0))
    least = _NO_TOOLS_WITHOUT_NONE if reasoning_effort is None else _NO_TOOLS_WITH_EFFORT
    return version >= least


PENALTIES = frozenset({"frequency_penalty", "presence_penalty"})
SAMPLING = frozenset({"temperature", "top_p", "logprobs", "top_logprobs"})


def refused_by(model: str, reasoning_effort: str | None = None) -> frozenset[str]:
    """Return the request's parameters that the model's family refuses (OpenAI's deployment checklist).

    Reasoning models refuse penalties always, and sampling parameters unless the effort is `none`. On gpt-6,
    reports differ whether `none` is enough; it counts as enough here.
    """
    if not is_reasoning(model):
        return frozenset({"reasoning_effort"}) if is_known(model) else frozenset()
    name = _names_of(model)[0]
    if reasoning_effort == "none" and (_KNOWS_NO_EFFORT.match(name) or not name.startswith(("o", "gpt-5"))):
        return PENALTIES
    return PENALTIES | SAMPLING
