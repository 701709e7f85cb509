"""What is known of OpenAI's models."""

from __future__ import annotations

from datetime import date

import pytest

from openai_connector.tasks.operations.models import (
    CHAT_MODEL_CHOICES,
    DEFAULT_CHAT_MODEL,
    PENALTIES,
    SAMPLING,
    is_known,
    is_reasoning,
    refused_by,
    shutdown_of,
)


@pytest.mark.parametrize(
    ("model", "day", "replacement"),
    [
        ("gpt-4-turbo", date(2026, 10, 23), "gpt-5.6-sol"),
        ("gpt-4-turbo-2024-04-09", date(2026, 10, 23), "gpt-5.6-sol"),
        ("gpt-4-turbo-preview", date(2026, 3, 26), None),
        ("gpt-3.5-turbo-0125", date(2026, 10, 23), "gpt-5.6-terra"),
        ("gpt-4-1106-preview", date(2026, 10, 23), "gpt-5.6-sol"),
        ("gpt-4o-2024-05-13", date(2026, 10, 23), "gpt-5.6-sol"),
        ("gpt-4o-2024-08-06", date(2027, 1, 14), "gpt-6-luna"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", date(2027, 1, 14), "gpt-6-luna"),
        ("gpt-5.1", date(2027, 4, 1), None),
    ],
)
def test_end_of_a_model(model: str, day: date, replacement: str | None) -> None:
    """Dated and fine-tuned versions share their base model's end, unless they have one of their own."""
    shutdown = shutdown_of(model)
    assert shutdown is not None
    assert (shutdown.day, shutdown.replacement) == (day, replacement)


def test_every_model_that_camundas_template_offered_is_known() -> None:
    """Whatever version 1 to 8 of its dropdown held, its end is told."""
    for model in ("gpt-3.5-turbo", "gpt-4", "gpt-4-turbo-preview", "gpt-4-turbo", "gpt-4o"):
        assert shutdown_of(model) is not None


def test_sentence_says_when_and_what_instead() -> None:
    """A model that is gone, one that will be, and one without a named replacement each get their words."""
    gone, unnamed = shutdown_of("gpt-4"), shutdown_of("gpt-5.1")
    assert gone
    assert unnamed
    assert gone.sentence(date(2026, 10, 23)).startswith(
        "the model gpt-4 was shut down on 2026-10-23; OpenAI names"
    )
    assert gone.sentence(date(2026, 10, 22)).startswith("the model gpt-4 will be shut down on 2026-10-23")
    assert "choose another, for example gpt-6-luna" in unnamed.sentence(date(2026, 11, 22))


def test_choices_have_no_announced_end() -> None:
    """A model that is offered is known and active; so are the replacements, and the default is offered."""
    assert DEFAULT_CHAT_MODEL in CHAT_MODEL_CHOICES
    for model in CHAT_MODEL_CHOICES:
        assert is_known(model)
        assert shutdown_of(model) is None


def test_replacements_are_offered() -> None:
    """Every replacement that OpenAI names can be chosen."""
    names = {
        shutdown.replacement
        for model in ("gpt-4", "gpt-5", "gpt-5-mini", "o1")
        if (shutdown := shutdown_of(model))
    }
    assert names <= CHAT_MODEL_CHOICES.keys()


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        ("o1", True),
        ("o4-mini-2025-04-16", True),
        ("gpt-5", True),
        ("gpt-5.4-mini", True),
        ("gpt-6.1-terra", True),
        ("ft:gpt-5.4-mini:acme::x", True),
        ("gpt-5-chat-latest", False),
        ("gpt-5.3-chat-latest", False),
        ("gpt-4o", False),
        ("gpt-4.1", False),
        ("gpt-35-turbo", False),
        ("llama3.3", False),
        ("omni-moderation-latest", False),
    ],
)
def test_reasoning_family(model: str, reasons: bool) -> None:
    """Reasoning models are told by their names."""
    assert is_reasoning(model) is reasons


def test_refused_parameters() -> None:
    """Reasoning models refuse penalties always, sampling unless the effort is none.

    Others refuse the effort.
    """
    assert refused_by("gpt-5.4") == PENALTIES | SAMPLING
    assert refused_by("gpt-5.4", "none") == PENALTIES
    assert refused_by("gpt-6-luna", "none") == PENALTIES
    assert refused_by("o3", "none") == refused_by("gpt-5", "none") == PENALTIES | SAMPLING
    assert refused_by("gpt-4o") == {"reasoning_effort"}
    assert refused_by("llama3.3") == frozenset()
