"""How fast FEEL is: `python -m benchmarks.feel`.

Times are medians over the result expressions of the shared corpus (../shared/feel), or over a few typical
ones where that is absent, with plain JSON data in. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import camunda_feel
from openai_connector.outcome.feel_functions import CONNECTOR_FUNCTIONS

CORPUS = Path(__file__).parents[2] / "shared" / "feel" / "connectors.dev.jsonl"
SAMPLES = (
    "{text: response.body.choices[1].message.content}",
    "{answer: body.choices.message.content, tokens: body.usage.total_tokens}",
    "if status >= 400 then {error: string(status)} else {id: body.id, names: string join(body.choices.index, "
    '",")}',
)
SAMPLE_DATA = {
    "status": 200,
    "body": {
        "id": "c-1",
        "usage": {"total_tokens": 9},
        "choices": [{"index": 0, "message": {"content": "Hi"}}],
    },
}
EVALUATION_TARGET_US = 20.0
FIRST_TARGET_US = 1000.0
IMPORT_TARGET_MS = 30.0
LINEAR_TARGET = 1.5
SIZES = (10, 100, 1_000, 10_000)
LOOPS = (
    "for i in xs return i.n * 2",
    "xs[n > 5]",
    "xs[item.n > 5]",
    "some i in xs satisfies i.n < 0",
)


def cases() -> list[tuple[str, dict[str, Any]]]:
    """Result expressions with their data."""
    if not CORPUS.exists():
        return [(text, {**SAMPLE_DATA, "response": SAMPLE_DATA}) for text in SAMPLES]
    rows = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
    wanted = [row for row in rows if row["id"].startswith("result") and row["feel_scala"]["status"] == "ok"]
    return [(row["expr"].strip().removeprefix("="), row["context"]) for row in wanted]


def best_us(work: Callable[[], Any], rounds: int, repeats: int = 7) -> float:
    """Microseconds of processor time a call: the best of some repeats, which other programs disturb least."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(rounds):
            work()
        times.append((time.process_time() - start) / rounds)
    return min(times) * 1e6


def evaluation_us(text: str, data: dict[str, Any]) -> float:
    """One evaluation of a parsed expression."""
    expression = camunda_feel.parse(text)
    return best_us(lambda: expression.evaluate(data, functions=CONNECTOR_FUNCTIONS), 100)


def first_us(text: str, data: dict[str, Any]) -> float:
    """Parsing and one evaluation."""
    return best_us(lambda: camunda_feel.parse(text).evaluate(data, functions=CONNECTOR_FUNCTIONS), 10, 3)


def item_us(loop: str) -> list[float]:
    """Microseconds an item for each size of list; sizes take turns, so that a busy machine hits all alike."""
    expression = camunda_feel.parse(loop)
    lists = {size: {"xs": [{"n": n % 10} for n in range(size)]} for size in SIZES}
    best = dict.fromkeys(SIZES, float("inf"))
    for _ in range(15):
        for size, data in lists.items():
            once = best_us(partial(expression.evaluate, data), max(1, 10_000 // size), 1)
            best[size] = min(best[size], once / size)
    return list(best.values())


def import_ms() -> float:
    """Milliseconds that importing the package, once compiled, adds to starting Python.

    The best of some starts.
    """
    path = str(Path(camunda_feel.__file__).parents[1])
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(code: str) -> float:
            command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); {code}"]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, env=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000

        start("import camunda_feel")
        pairs = [(start("import camunda_feel"), start("pass")) for _ in range(15)]
    return min(one for one, _ in pairs) - min(two for _, two in pairs)


def report(name: str, value: float, target: float, unit: str) -> bool:
    """Print one line; tell whether the target is met."""
    met = value <= target
    print(f"{name:75} {value:8.2f} {unit:3} (target {target:g}) {'ok' if met else 'MISSED'}")
    return met


def main() -> int:
    """Measure everything and print a line for each figure."""
    samples = cases()
    met = [
        report(
            f"evaluate, median of {len(samples)}",
            statistics.median(evaluation_us(*case) for case in samples),
            EVALUATION_TARGET_US,
            "us",
        ),
        report(
            "parse + first evaluation, median",
            statistics.median(first_us(*case) for case in samples),
            FIRST_TARGET_US,
            "us",
        ),
    ]
    small = {"body": {"id": "x", "rest": "a"}}
    large = {"body": {"id": "x", "rest": [{"text": "a" * 100, "n": n} for n in range(8_000)]}}
    ratio = evaluation_us("{id: body.id}", large) / evaluation_us("{id: body.id}", small)
    met.append(report("one field of 1 MB, against a small answer", ratio, 1.5, "x"))
    for loop in LOOPS:
        each = item_us(loop)
        times = " ".join(f"{one:.2f}" for one in each)
        met.append(report(f"{loop} [{times} us/item]", max(each) / min(each), LINEAR_TARGET, "x"))
    met.append(report("import over bare Python", import_ms(), IMPORT_TARGET_MS, "ms"))
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
