"""Labelled points: where a worker kills itself when a test tells it to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from openai_connector.observe.points import KILLED_AT, LABELS, VARIABLE

TWICE_EACH = "from openai_connector.observe.points import LABELS, reached\n[reached(l) for l in LABELS * 2]\n"
MIDDLE = (
    "import asyncio; from openai_connector.observe.points import during\n"
    "async def stay(seconds):\n"
    "    with during('in_call', 0.05): await asyncio.sleep(seconds)\n"
    "asyncio.run(stay({seconds}))\n"
)


def ran(script: str, armed: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a point armed."""
    environment = {**os.environ, VARIABLE: armed}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("label", LABELS)
def test_the_process_kills_itself_at_the_point_it_is_told(label: str) -> None:
    """Each label ends the process by SIGKILL at the pass that was asked for, and standard error says where."""
    ended = ran(TWICE_EACH, f"{label}:2")
    assert ended.returncode == -signal.SIGKILL
    assert f"{KILLED_AT} {label}" in ended.stderr


@pytest.mark.parametrize("armed", ["", "activated:3"], ids=["unset", "fewer passes"])
def test_a_point_that_is_not_reached_often_enough_changes_nothing(armed: str) -> None:
    """Without the variable, and before the pass that is meant, the process goes on."""
    ended = ran(TWICE_EACH, armed)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    "armed", ["nowhere:1", "activated", "activated:", "activated:0", "activated:-1", "activated:x", ":1"]
)
def test_a_point_that_cannot_be_meant_ends_the_worker_at_its_start(armed: str) -> None:
    """A typing mistake in the variable must not make a run of tests that kills nobody."""
    ended = ran(TWICE_EACH, armed)
    assert ended.returncode == 1
    assert f"{VARIABLE} must be label:n" in ended.stderr


@pytest.mark.parametrize(("seconds", "code"), [(0, 0), (30, -signal.SIGKILL)], ids=["short", "long"])
def test_the_middle_of_something_is_reached_only_while_it_lasts(seconds: int, code: int) -> None:
    """A call that is over before its middle is no pass of the point; one that lasts is."""
    assert ran(MIDDLE.format(seconds=seconds), "in_call:1").returncode == code
