"""Cases that this project generated, with what Camunda's engine (feel-scala 1.21) gave for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import camunda_feel
from camunda_feel import FeelError, temporal
from camunda_feel.values import CONTEXT_TYPES, lift

CORPORA = Path(__file__).parent / "corpora"
CLOSE = Decimal("1e-12")
"""Relative: the engine rounds at other places."""
READERS: dict[str, Callable[[str], Any]] = {
    "number": Decimal,
    "date": temporal.parse_date,
    "time": temporal.parse_time,
    "date time": temporal.parse_date_time,
    "days-time-duration": temporal.parse_duration,
    "years-months-duration": lambda text: temporal.parse_duration(text.replace("P0D", "P0M")),
}


def rows(corpus: str) -> list[dict[str, Any]]:
    """Read a corpus: `id`, `expr`, `context`, and `result` or `fails`."""
    return [json.loads(line) for line in (CORPORA / f"{corpus}.jsonl").read_text("utf-8").splitlines()]


def in_hundreds(rows: list[dict[str, Any]]) -> list[Any]:
    """Return the rows in portions: a test of its own for each row would take longer than the row."""
    portions = [rows[start : start + 100] for start in range(0, len(rows), 100)]
    return [pytest.param(portion, id=f"{portion[0]['id']} to {portion[-1]['id']}") for portion in portions]


def decoded(value: Any) -> Any:
    """Return a corpus's value with its numbers and temporal values made."""
    if isinstance(value, dict):
        if set(value) == {"@type", "value"} and value["@type"] in READERS:
            return READERS[value["@type"]](value["value"])
        return {name: decoded(item) for name, item in value.items()}
    return [decoded(item) for item in value] if isinstance(value, list) else value


def same(found: Any, wanted: Any) -> bool:
    """Check that two values are the same, numbers within what the engine rounds."""
    found = lift(found)
    if isinstance(wanted, dict) and "@type" in wanted and wanted["@type"] not in READERS:
        return not isinstance(found, str | bool | Decimal)  # a function or a range: compared by being one
    wanted = lift(decoded(wanted))
    if isinstance(wanted, Decimal) and isinstance(found, Decimal):
        return found == wanted or abs(found - wanted) <= CLOSE * abs(wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(same, found, wanted))
    if type(wanted) in CONTEXT_TYPES:
        is_context = type(found) in CONTEXT_TYPES and set(found) == set(wanted)
        return is_context and all(same(found[name], wanted[name]) for name in wanted)
    return type(found) is type(wanted) and (found == wanted or str(found) == str(wanted))


def difference(row: dict[str, Any]) -> str | None:
    """Return what differs from the engine; None where nothing does."""
    try:
        found = camunda_feel.parse(row["expr"]).evaluate(decoded(row["context"])).value
    except FeelError as error:
        return None if row["fails"] else f"{row['id']}: {row['expr']} failed: {error}"
    if not row["fails"] and same(found, row["result"]):
        return None
    return f"{row['id']}: {row['expr']} gave {found!r}"


@pytest.mark.parametrize("portion", in_hundreds(rows("generated")))
def test_generated(portion: list[dict[str, Any]]) -> None:
    """Each value has the engine's type and content, or both fail."""
    assert [told for told in map(difference, portion) if told is not None] == []
