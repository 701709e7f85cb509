"""Result and error expressions that this project generated, with what Camunda's runtime made of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from camunda_feel import FeelError
from tests.feel.adapter import evaluate_json

CORPUS = Path(__file__).parent / "corpora" / "connectors.jsonl"
ROWS = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_case(row: dict[str, Any]) -> None:
    """The process variables are the same to the last digit, or both fail."""
    if row["fails"]:
        with pytest.raises(FeelError):
            evaluate_json(row["expr"], row["context"])
    else:
        assert evaluate_json(row["expr"], row["context"]) == row["result"]
