"""The tokens of an answer, by one set of names for all APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_PLACES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "input": (("input_tokens",), ("prompt_tokens",)),
    "output": (("output_tokens",), ("completion_tokens",)),
    "total": (("total_tokens",),),
    "cached": (
        ("input_tokens_details", "cached_tokens"),
        ("prompt_tokens_details", "cached_tokens"),
        ("cache_read_input_tokens",),
        ("prompt_cache_hit_tokens",),
    ),
    "cacheWrite": (
        ("input_tokens_details", "cache_write_tokens"),
        ("prompt_tokens_details", "cache_write_tokens"),
        ("cache_creation_input_tokens",),
    ),
    "reasoning": (
        ("output_tokens_details", "reasoning_tokens"),
        ("completion_tokens_details", "reasoning_tokens"),
    ),
}
"""Where each number stands in `usage`: in the Responses API, in Chat Completions, with other vendors."""
TOKENS: Final = tuple(_PLACES)
_MOST: Final = 2**53


def tokens_of(usage: Any) -> dict[str, int | None]:
    """Return how many tokens were used; null where the API does not tell."""
    if not isinstance(usage, dict):
        return dict.fromkeys(_PLACES)
    tokens = {name: _first(usage, places) for name, places in _PLACES.items()}
    if tokens["total"] is None and tokens["input"] is not None and tokens["output"] is not None:
        tokens["total"] = tokens["input"] + tokens["output"]
    return tokens


def _first(usage: Mapping[str, Any], places: tuple[tuple[str, ...], ...]) -> int | None:
    """Return the first number that stands at one of some places."""
    for key, *inside in places:
        if (value := usage.get(key)) is None:
            continue
        if inside:
            value = value.get(inside[0]) if isinstance(value, dict) else None
        if (count := _count(value)) is not None:
            return count
    return None


def _count(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
        return None
    return value
