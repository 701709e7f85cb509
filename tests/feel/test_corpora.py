"""The shared corpora with the real engine's results, where they are at hand."""

from __future__ import annotations

import importlib.util
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "feel"
RUNNER = SHARED / "run_corpus.py"

pytestmark = pytest.mark.skipif(not RUNNER.exists(), reason="the shared corpora are not here")


def pass_rate(corpus: str, function: str, tmp_path: Path) -> float:
    """The share of a corpus' rows that pass, in percent."""
    spec = importlib.util.spec_from_file_location("run_corpus", RUNNER)
    assert spec is not None
    assert spec.loader is not None
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    out = tmp_path / "rows.jsonl"
    arguments = [
        "--adapter",
        f"tests.feel.adapter:{function}",
        "--corpus",
        str(SHARED / corpus),
        "--out",
        str(out),
    ]
    with redirect_stdout(io.StringIO()):
        runner.main([*arguments, "--json"] if function == "evaluate_json" else arguments)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return float(100 * sum(row["pass"] for row in rows) / len(rows))


@pytest.mark.parametrize(
    ("corpus", "function", "least"),
    [
        ("connectors.dev.jsonl", "evaluate_json", 99.5),
        ("docs.dev.jsonl", "evaluate", 99.5),
        ("gen.dev.jsonl", "evaluate", 99.0),
        ("feel-scala.dev.jsonl", "evaluate", 99.0),
        ("tck.dev.jsonl", "evaluate", 98.5),
    ],
)
def test_corpus_passes(corpus: str, function: str, least: float, tmp_path: Path) -> None:
    """At least the promised share of a corpus gives what the engine gave."""
    assert pass_rate(corpus, function, tmp_path) >= least
