"""Alerts of what is not there: workers that are gone, and counters before their first count."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "prometheus" / "first_counts_test.yml"


def test_alerts_see_what_was_not_there_before() -> None:
    """A worker that is gone and a first count fire; old counts, restarts and gaps fire nothing."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not here: Debian's package prometheus has it")
    tested = subprocess.run([tool, "test", "rules", CASES], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr
