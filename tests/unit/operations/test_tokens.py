"""Tokens by one set of names, whichever API counted them."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector.tasks.operations.tokens import TOKENS, tokens_of


@pytest.mark.parametrize(
    ("usage", "known"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, {"input": 1, "output": 2, "total": 3}),
        ({"input_tokens": 1, "output_tokens": 2}, {"input": 1, "output": 2, "total": 3}),
        ({"input_tokens": 1, "output_tokens": 2, "total_tokens": 9}, {"input": 1, "output": 2, "total": 9}),
        (
            {
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 5, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 6},
            },
            {"cached": 4, "cacheWrite": 5, "reasoning": 6},
        ),
        (
            {
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
            {"cached": 0, "cacheWrite": 0, "reasoning": 0},
        ),
        ({"cache_read_input_tokens": 4, "cache_creation_input_tokens": 5}, {"cached": 4, "cacheWrite": 5}),
        ({"prompt_cache_hit_tokens": 4}, {"cached": 4}),
        ({"total_tokens": 3.0}, {"total": 3}),
        ({"input_tokens_details": None, "prompt_tokens_details": [1]}, {}),
        ({"total_tokens": "3", "input_tokens": True, "output_tokens": -1}, {}),
        ({"total_tokens": 1e300, "input_tokens": float("nan"), "output_tokens": 0.5}, {}),
        ({}, {}),
        (None, {}),
        ("many", {}),
        ([1], {}),
    ],
    ids=[
        "chat", "responses", "own_total", "details", "zeros", "anthropic", "deepseek", "whole_double",
        "odd_details", "odd", "odd_numbers", "nothing", "null", "text", "list",
    ],
)  # fmt: skip
def test_what_is_told_is_known_and_the_rest_is_null(usage: Any, known: dict[str, int]) -> None:
    """Each number is found under the names that APIs have for it; what cannot be read is null."""
    assert tokens_of(usage) == dict.fromkeys(TOKENS) | known
