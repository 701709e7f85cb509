"""`ZEEBE_ADDRESS=... make engine`.

The same tests on a cluster that runs already, here a second engine of our own.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine
from tests.engine import cluster
from tests.engine.worker import neutral_environment

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/engine/test_engine.py",
    "tests/engine/test_outcomes.py::test_chat_gives_its_result_to_the_process",
    "tests/engine/test_outcomes.py::test_a_syntax_error_costs_nothing",
    "tests/engine/test_outcomes.py::test_back_off_and_waits_are_the_engines",
)


def engine_tests(**settings: str) -> str:
    """Run some of the engine tests in a process of their own, and return what pytest says."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", *TESTS],
        cwd=ROOT,
        env=neutral_environment() | settings,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_a_cluster_does_not_show_is_skipped_and_counted(own_engine: Engine) -> None:
    """With the address alone what gRPC shows is tested there, and each skip has its reason and is counted."""
    said = engine_tests(ZEEBE_ADDRESS=f"http://{own_engine.address}")
    assert re.search(r"\b1 passed, 7 skipped", said)
    assert "7 of 8 engine tests were skipped: what they look at cannot be seen or moved from outside" in said
    for reason in (cluster.NO_RECORDS, cluster.NO_CLOCK, cluster.NO_PROCESS):
        assert reason in said
    assert '"bpmnProcessId":"outcome-0"' in own_engine.log.read_text(
        "utf-8"
    )  # it is the cluster that was tested


def test_with_log_and_clock_only_its_life_is_left_out(own_engine: Engine) -> None:
    """With the exporter's log and the management API all is tested but what kills or starts an engine."""
    said = engine_tests(
        ZEEBE_ADDRESS=own_engine.address,
        ZEEBE_RECORDS_LOG=str(own_engine.log),
        ZEEBE_MANAGEMENT_URL=own_engine.management_url,
    )
    assert re.search(r"\b5 passed, 3 skipped", said)
    assert "3 of 8 engine tests were skipped" in said
    assert own_engine.running


@pytest.mark.parametrize(
    ("text", "address"),
    [("zeebe:1", "zeebe:1"), ("http://zeebe", "zeebe:26500"), ("grpc://zeebe:2/", "zeebe:2")],
    ids=["host and port", "URL", "URL with a slash"],
)
def test_the_address_may_be_a_url(text: str, address: str) -> None:
    """The forms are taken that the worker takes for a gateway without TLS."""
    assert cluster.address_of(text) == address


def test_an_address_with_tls_is_refused() -> None:
    """The tests' own client speaks without TLS: a sentence says so, instead of a test that hangs."""
    with pytest.raises(pytest.UsageError, match="of a cluster without TLS, got 'https://zeebe'"):
        cluster.address_of("https://zeebe")
