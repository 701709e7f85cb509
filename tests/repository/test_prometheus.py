"""What Prometheus' own tool says of the alert rules and of the worker's metrics."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.status.states import World, busy, idle, trouble, waiting

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
ALERT_TESTS = Path(__file__).parent / "prometheus"
CAMUNDAS = "label names should be written in 'snake_case' not 'camelCase'"
"""Camunda's runtime has such labels, and its users have dashboards that name them."""


def promtool(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool; skip the test where it is not installed (never in CI)."""
    tool = shutil.which("promtool")
    if tool is None:
        message = "needs promtool (make system-deps)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return subprocess.run([tool, *arguments], input=given, capture_output=True, text=True, check=False)


def test_prometheus_reads_the_rules() -> None:
    """The tool finds no fault with the rules."""
    checked = promtool("check", "rules", ALERTS)
    assert checked.returncode == 0, checked.stderr


def test_a_fault_in_a_rule_is_found(tmp_path: Path) -> None:
    """The tool would tell of an expression that cannot be read."""
    broken = tmp_path / "alerts.yml"
    broken.write_text(ALERTS.read_text("utf-8").replace("== 0", "== (0"))
    assert promtool("check", "rules", broken).returncode != 0


@pytest.mark.parametrize("cases", sorted(ALERT_TESTS.glob("*.yml")), ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(cases: Path) -> None:
    """Each alert fires at what it is for; none of a worker that is well, of old counts, restarts and gaps."""
    tested = promtool("test", "rules", cases)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize(
    "world", [pytest.param(world, id=world.__name__) for world in (idle, busy, waiting, trouble)]
)
def test_prometheus_reads_what_a_worker_tells(world: Callable[[], World]) -> None:
    """Of all that `/metrics` says, names that are Camunda's are all that the tool would write otherwise."""
    checked = promtool("check", "metrics", given=world().get("/metrics")[1])
    said = [line for line in checked.stderr.splitlines() if not line.endswith(CAMUNDAS)]
    assert not said
    assert checked.returncode in (0, 3), checked.stdout


def test_metrics_that_cannot_be_read_are_found() -> None:
    """The tool would tell of a line that breaks the format."""
    assert promtool("check", "metrics", given="a_total{b=c} 1\n").returncode != 0
